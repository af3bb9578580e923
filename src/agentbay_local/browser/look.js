// Runs in a world of its own beside each page: the page's scripts neither see it nor can change it.
(() => {
  const byRef = new Map(), refs = new WeakMap();
  let last = 0;

  const INTERACTIVE = new Set(['button', 'link', 'textbox', 'searchbox', 'checkbox', 'radio', 'combobox', 'listbox', 'option',
    'slider', 'spinbutton', 'switch', 'tab', 'menuitem', 'menuitemcheckbox', 'menuitemradio', 'treeitem', 'file']);
  const TAGS = {a: 'link', button: 'button', select: 'combobox', textarea: 'textbox', summary: 'button', nav: 'navigation',
    main: 'main', header: 'banner', footer: 'contentinfo', aside: 'complementary', form: 'form', table: 'table', tr: 'row',
    td: 'cell', th: 'columnheader', ul: 'list', ol: 'list', li: 'listitem', img: 'img', p: 'paragraph', dialog: 'dialog',
    h1: 'heading', h2: 'heading', h3: 'heading', h4: 'heading', h5: 'heading', h6: 'heading', iframe: 'iframe',
    option: 'option', article: 'article', section: 'region', label: 'label', video: 'video', audio: 'audio', canvas: 'canvas'};
  const INPUTS = {button: 'button', submit: 'button', reset: 'button', image: 'button', checkbox: 'checkbox', radio: 'radio',
    range: 'slider', number: 'spinbutton', search: 'searchbox', file: 'file', hidden: ''};
  const SKIPPED = new Set(['script', 'style', 'noscript', 'template', 'head', 'meta', 'link', 'title', 'br', 'hr', 'wbr']);
  const PLAIN = new Set(['', 'paragraph', 'label', 'region', 'cell', 'listitem', 'form']);

  const squeeze = (text, most = 300) => {
    const short = (text || '').replace(/\s+/g, ' ').trim();
    return short.length > most ? short.slice(0, most) + '…' : short;
  };
  const tagOf = (element) => element.localName.toLowerCase();

  function roleOf(element) {
    const given = (element.getAttribute('role') || '').trim().split(/\s+/)[0].toLowerCase();
    if (given && given !== 'presentation' && given !== 'none') return given;
    const tag = tagOf(element);
    if (tag === 'input') return INPUTS[element.type] ?? 'textbox';
    if (tag === 'a' && !element.hasAttribute('href')) return '';
    if (element.isContentEditable && !element.parentElement?.isContentEditable) return 'textbox';
    return TAGS[tag] ?? '';
  }

  function isVisible(element) {
    const style = element.ownerDocument.defaultView?.getComputedStyle(element);
    return !!style && style.display !== 'none' && style.visibility !== 'hidden' &&
      element.getAttribute('aria-hidden') !== 'true';
  }

  function nameOf(element, role) {
    const labelled = (element.getAttribute('aria-labelledby') || '').split(/\s+/).filter(Boolean)
      .map((id) => element.ownerDocument.getElementById(id)?.textContent).join(' ');
    const labels = element.labels ? [...element.labels].map((label) => label.textContent).join(' ') : '';
    const own = ['textbox', 'searchbox', 'combobox', 'listbox', 'slider', 'spinbutton', 'iframe'].includes(role) ? '' : element.innerText;
    const value = tagOf(element) === 'input' && role === 'button' ? element.value : '';
    return squeeze(labelled || element.getAttribute('aria-label') || labels || element.getAttribute('alt') || value ||
      (INTERACTIVE.has(role) || role === 'heading' ? own : '') || element.getAttribute('placeholder') ||
      element.getAttribute('title') || (INTERACTIVE.has(role) ? element.getAttribute('name') : '') || '', 120);
  }

  function stateOf(element, role) {
    const state = [];
    if (element.checked || element.getAttribute('aria-checked') === 'true') state.push('checked');
    if (element.disabled || element.getAttribute('aria-disabled') === 'true') state.push('disabled');
    if (element.getAttribute('aria-expanded')) state.push('expanded=' + element.getAttribute('aria-expanded'));
    if (element.selected || element.getAttribute('aria-selected') === 'true') state.push('selected');
    if (role === 'heading') state.push('level=' + (element.getAttribute('aria-level') || tagOf(element)[1] || '?'));
    if (element.ownerDocument.activeElement === element && tagOf(element) !== 'body') state.push('active');
    return state;
  }

  function valueOf(element, role) {
    if (tagOf(element) === 'input' && element.type === 'password') return element.value ? '••••' : '';
    if (tagOf(element) === 'select') return [...element.selectedOptions].map((option) => squeeze(option.label)).join(', ');
    if (['textbox', 'searchbox', 'slider', 'spinbutton'].includes(role)) return squeeze(element.value ?? element.innerText);
    return '';
  }

  function refOf(element) {
    if (!refs.has(element)) {
      refs.set(element, 'e' + ++last);
      byRef.set('e' + last, new WeakRef(element));
    }
    return refs.get(element);
  }

  const clickable = (element, role) => INTERACTIVE.has(role) || element.onclick || element.hasAttribute('onclick') ||
    (element.tabIndex >= 0 && element.hasAttribute('tabindex'));

  function lineOf(element, role) {
    const name = nameOf(element, role);
    let line = (role || 'generic') + (name ? ' ' + JSON.stringify(name) : '');
    for (const state of stateOf(element, role)) line += ` [${state}]`;
    if (clickable(element, role) || role === 'img' || role === 'iframe') line += ` [ref=${refOf(element)}]`;
    const value = valueOf(element, role);
    return value ? line + ': ' + value : line;
  }

  const childrenOf = (element) => element.shadowRoot ? [...element.shadowRoot.childNodes, ...element.childNodes] : element.childNodes;

  function* linesOf(node, depth) {
    if (depth > 200) return;
    if (node.nodeType === Node.TEXT_NODE) {
      const text = squeeze(node.data);
      if (text) yield [depth, 'text: ' + text];
      return;
    }
    if (node.nodeType !== Node.ELEMENT_NODE || SKIPPED.has(tagOf(node)) || !isVisible(node)) return;
    const role = roleOf(node), shown = !PLAIN.has(role) || clickable(node, role);
    if (shown && !(tagOf(node) === 'input' && !role)) yield [depth, lineOf(node, role)];
    if (tagOf(node) === 'select') {
      for (const option of [...node.options].slice(0, 100)) yield [depth + 1, lineOf(option, 'option').replace(/ \[ref=\w+\]/, '')];
      return;
    }
    if (['button', 'link', 'heading', 'option', 'textbox', 'tab', 'menuitem'].includes(role) && !node.querySelector('a,button,input,img')) return;
    if (tagOf(node) === 'iframe') {
      let inner = null;
      try { inner = node.contentDocument?.body; } catch { /* another site's */ }
      if (inner) yield* linesOf(inner, depth + 1);
      return;
    }
    for (const child of childrenOf(node)) yield* linesOf(child, depth + (shown ? 1 : 0));
  }

  function rootOf(place) {
    return place ? find(place) : document.body || document.documentElement;
  }

  function snapshot(place, most) {
    const lines = [];
    let size = 0;
    for (const [depth, line] of linesOf(rootOf(place), 0)) {
      size += line.length + 2 * depth + 3;
      if (size > most) { lines.push('- (the page goes on; this is where it was cut)'); break; }
      lines.push('  '.repeat(Math.min(depth, 30)) + '- ' + line);
    }
    return lines.join('\n');
  }

  function find(place) {
    let found = null;
    if (/^e\d+$/.test(place)) {
      found = byRef.get(place)?.deref();
    } else if (/^(xpath=|\/|\()/.test(place)) {
      found = document.evaluate(place.replace(/^xpath=/, ''), document, null, XPathResult.FIRST_ORDERED_NODE_TYPE).singleNodeValue;
    } else {
      found = document.querySelector(place);
    }
    if (!found?.isConnected) throw new Error(`there is no ${place} on the page: take a new snapshot`);
    return found;
  }

  function point(place) {
    const element = find(place);
    element.scrollIntoView({block: 'center', inline: 'center', behavior: 'instant'});
    const shape = [...element.getClientRects()].find((each) => each.width && each.height) || element.getBoundingClientRect();
    if (!shape.width || !shape.height) throw new Error(`${place} is not visible`);
    let x = shape.x + shape.width / 2, y = shape.y + shape.height / 2;
    let top = element.getRootNode().elementFromPoint?.(x, y);
    const reached = !!top && (element.contains(top) || top.contains(element) || [...(element.labels || [])].some((label) => label.contains(top)));
    for (let view = element.ownerDocument.defaultView; view.frameElement; view = view.parent) {
      const frame = view.frameElement.getBoundingClientRect();
      x += frame.x + view.frameElement.clientLeft;
      y += frame.y + view.frameElement.clientTop;
    }
    return {x, y, reached};
  }

  function area(place) {
    const shape = find(place).getBoundingClientRect();
    return {x: shape.x + scrollX, y: shape.y + scrollY, width: shape.width, height: shape.height};
  }

  function click(place) { find(place).click(); }

  function focus(place) {
    const element = find(place);
    element.scrollIntoView({block: 'center', behavior: 'instant'});
    element.focus();
    if (element.select) element.select();
    else if (element.isContentEditable) element.ownerDocument.getSelection().selectAllChildren(element);
    else throw new Error(`${place} takes no text`);
  }

  function select(place, values) {
    const element = find(place);
    if (tagOf(element) !== 'select') throw new Error(`${place} is no list to select from`);
    const chosen = [...element.options].filter((each) => values.includes(each.value) || values.includes(each.label.trim()));
    if (!chosen.length) throw new Error(`${place} has none of: ${values.join(', ')}`);
    for (const option of element.options) option.selected = chosen.includes(option) && (element.multiple || option === chosen[0]);
    for (const kind of ['input', 'change']) element.dispatchEvent(new Event(kind, {bubbles: true}));
    return [...element.selectedOptions].map((each) => each.value);
  }

  function check(place, wanted) {
    const element = find(place);
    return !!element.checked !== wanted;
  }

  function selectorOf(place) {
    let element = find(place);
    const steps = [];
    for (; element && element.nodeType === Node.ELEMENT_NODE; element = element.parentElement) {
      const tag = tagOf(element);
      if (element.id && element.ownerDocument.querySelectorAll('#' + CSS.escape(element.id)).length === 1) {
        return ['#' + CSS.escape(element.id), ...steps].join(' > ');
      }
      const same = element.parentElement ? [...element.parentElement.children].filter((each) => each.localName === element.localName) : [];
      steps.unshift(same.length > 1 ? `${tag}:nth-of-type(${same.indexOf(element) + 1})` : tag);
    }
    return steps.join(' > ');
  }

  function has(text) { return (document.body?.innerText || '').includes(text); }

  function text(place, most) { return (rootOf(place)?.innerText || '').slice(0, most); }

  function scroll(direction) {
    const by = {up: [0, -0.8], down: [0, 0.8], left: [-0.8, 0], right: [0.8, 0]}[direction];
    if (direction === 'top') scrollTo({top: 0, behavior: 'instant'});
    else if (direction === 'bottom') scrollTo({top: document.documentElement.scrollHeight, behavior: 'instant'});
    else scrollBy({left: by[0] * innerWidth, top: by[1] * innerHeight, behavior: 'instant'});
  }

  globalThis.agentbay = {snapshot, find, point, area, click, focus, select, check, selectorOf, has, text, scroll};
})()
