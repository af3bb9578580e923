"""How a fingerprint is taken from a browser of this machine: the script, and a page of ours that notes the headers."""

from __future__ import annotations

import http.server
import threading
from types import TracebackType
from typing import Any, Self

__all__ = ["COLLECT", "Echo"]

KEPT = frozenset(
    (
        "sec-ch-ua sec-ch-ua-mobile sec-ch-ua-platform upgrade-insecure-requests user-agent accept sec-fetch-site "
        "sec-fetch-mode sec-fetch-user sec-fetch-dest accept-encoding accept-language"
    ).split()
)
"""The request headers that belong to a fingerprint."""

COLLECT = """async () => {
    const given = (value, other) => value === undefined || value === null ? other : value;
    const playing = (tag, kinds) => {
        const element = document.createElement(tag);
        return Object.fromEntries(Object.entries(kinds).map(([name, kind]) => [name, element.canPlayType(kind)]));
    };
    const hints = async () => {
        const data = navigator.userAgentData;
        if (!data) return {};
        const wanted = [
            'architecture', 'bitness', 'fullVersionList', 'model', 'platform', 'platformVersion', 'uaFullVersion',
        ];
        const high = await data.getHighEntropyValues(wanted);
        return { ...high, brands: data.brands, mobile: data.mobile, platform: given(high.platform, data.platform) };
    };
    const battery = async () => {
        if (!navigator.getBattery) return null;
        const found = await navigator.getBattery();
        const seconds = (value) => Number.isFinite(value) ? value : null;
        return {
            charging: found.charging, level: found.level,
            chargingTime: seconds(found.chargingTime), dischargingTime: seconds(found.dischargingTime),
        };
    };
    const card = () => {
        const gl = document.createElement('canvas').getContext('webgl');
        const info = gl && gl.getExtension('WEBGL_debug_renderer_info');
        if (!info) return null;
        return {
            renderer: gl.getParameter(info.UNMASKED_RENDERER_WEBGL),
            vendor: gl.getParameter(info.UNMASKED_VENDOR_WEBGL),
        };
    };
    const devices = async () => {
        const sorts = { audiooutput: 'speakers', audioinput: 'micros', videoinput: 'webcams' };
        const found = { speakers: [], micros: [], webcams: [] };
        const all = navigator.mediaDevices ? await navigator.mediaDevices.enumerateDevices() : [];
        for (const { deviceId, kind, label, groupId } of all) {
            if (sorts[kind]) found[sorts[kind]].push({ deviceId, kind, label, groupId });
        }
        return found;
    };
    const fonts = () => {
        const names = [
            'Arial', 'Arial Black', 'Calibri', 'Cambria', 'Comic Sans MS', 'Consolas', 'Courier New', 'DejaVu Sans',
            'Georgia', 'Helvetica', 'Helvetica Neue', 'Impact', 'Liberation Sans', 'Menlo', 'Monaco', 'Noto Sans',
            'Roboto', 'Segoe UI', 'Tahoma', 'Times New Roman', 'Trebuchet MS', 'Ubuntu', 'Verdana',
        ];
        const pen = document.createElement('canvas').getContext('2d');
        const width = (family) => { pen.font = `72px ${family}`; return pen.measureText('mmmmmmmmmmlli').width; };
        const plain = Object.fromEntries(['monospace', 'serif'].map((base) => [base, width(base)]));
        return names.filter((name) =>
            Object.entries(plain).some(([base, wide]) => width(`"${name}",${base}`) !== wide));
    };
    const type = ({ type, suffixes, description }) => ({ type, suffixes, description });
    const root = document.documentElement;
    const flavors = ['chrome', 'safari', '__crWeb', 'opera', 'yandex'].filter((name) => window[name] !== undefined);
    return {
        screen: {
            availHeight: screen.availHeight, availWidth: screen.availWidth,
            availTop: given(screen.availTop, 0), availLeft: given(screen.availLeft, 0),
            colorDepth: screen.colorDepth, height: screen.height, pixelDepth: screen.pixelDepth, width: screen.width,
            devicePixelRatio: window.devicePixelRatio,
            pageXOffset: window.pageXOffset, pageYOffset: window.pageYOffset,
            innerHeight: window.innerHeight, outerHeight: window.outerHeight,
            outerWidth: window.outerWidth, innerWidth: window.innerWidth,
            screenX: window.screenX, clientWidth: root.clientWidth, clientHeight: root.clientHeight,
            hasHDR: matchMedia('(dynamic-range: high)').matches,
        },
        navigator: {
            userAgent: navigator.userAgent, userAgentData: await hints(),
            doNotTrack: given(navigator.doNotTrack, null),
            appCodeName: navigator.appCodeName, appName: navigator.appName, appVersion: navigator.appVersion,
            oscpu: given(navigator.oscpu, null), webdriver: false,
            language: navigator.language, languages: [...navigator.languages], platform: navigator.platform,
            deviceMemory: given(navigator.deviceMemory, null),
            hardwareConcurrency: given(navigator.hardwareConcurrency, 0),
            product: navigator.product, productSub: navigator.productSub,
            vendor: navigator.vendor, vendorSub: navigator.vendorSub,
            maxTouchPoints: given(navigator.maxTouchPoints, null),
            extraProperties: {
                vendorFlavors: flavors, isBluetoothSupported: 'bluetooth' in navigator,
                globalPrivacyControl: given(navigator.globalPrivacyControl, null),
                pdfViewerEnabled: Boolean(navigator.pdfViewerEnabled), installedApps: [],
            },
        },
        videoCodecs: playing('video', {
            ogg: 'video/ogg; codecs="theora"', h264: 'video/mp4; codecs="avc1.42E01E"',
            webm: 'video/webm; codecs="vp8, vorbis"',
        }),
        audioCodecs: playing('audio', {
            ogg: 'audio/ogg; codecs="vorbis"', mp3: 'audio/mpeg', wav: 'audio/wav; codecs="1"', m4a: 'audio/x-m4a',
            aac: 'audio/aac',
        }),
        pluginsData: {
            plugins: [...navigator.plugins].map(({ name, description, filename }) => ({ name, description, filename })),
            mimeTypes: [...navigator.mimeTypes].map(type),
        },
        battery: await battery(), videoCard: card(), multimediaDevices: await devices(), fonts: fonts(),
        mockWebRTC: false, slim: false,
    };
}"""
"""Tells all that a page can find out, in the form of the document."""


class Echo:
    """A page on this machine for as long as the block lasts; `headers` are those that a browser asked for it with."""

    def __init__(self) -> None:
        self.headers: dict[str, str] = {}
        echo = self

        class Handler(http.server.BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                if self.path == "/":
                    told = {name.lower(): text for name, text in self.headers.items()}
                    echo.headers = {name: text for name, text in told.items() if name in KEPT}
                self.send_response_only(200 if self.path == "/" else 404)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(b"<!doctype html><title>fingerprint</title>")

            def log_message(self, format: str, *args: Any) -> None:  # a library writes nothing unasked
                del format, args

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="agentbay-echo")
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
