// Runs in one Java process per session and keeps the state of all calls, with the evaluator that every JDK brings
// (JShell) in this same process: so what is printed, and how the process ends, is the code's own.
// Arguments: the files of requests and events.

import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.stream.Collectors;

import jdk.jshell.DeclarationSnippet;
import jdk.jshell.Diag;
import jdk.jshell.EvalException;
import jdk.jshell.JShell;
import jdk.jshell.JShellException;
import jdk.jshell.Snippet;
import jdk.jshell.Snippet.Kind;
import jdk.jshell.Snippet.SubKind;
import jdk.jshell.SnippetEvent;
import jdk.jshell.SourceCodeAnalysis.CompletionInfo;
import jdk.jshell.SourceCodeAnalysis.Completeness;
import jdk.jshell.UnresolvedReferenceException;

final class JavaLoop {
    static final List<String> IMPORTED = List.of("java.io", "java.math", "java.net", "java.nio.file", "java.util",
            "java.util.concurrent", "java.util.function", "java.util.regex", "java.util.stream");

    /** Why code did not come to its end. */
    static final class Failed extends Exception {
        final String name;
        final String trace;

        Failed(String name, String message, String trace) {
            super(message);
            this.name = name;
            this.trace = trace;
        }
    }

    /** Where a snippet stands: its call, and how many lines of that call are above it. */
    static final class Place {
        final int call;
        final int above;

        Place(int call, int above) {
            this.call = call;
            this.above = above;
        }

        String line(int number) {
            return "In[" + call + "]:" + (above + number);
        }
    }

    final PrintStream events;
    final JShell shell = JShell.builder().executionEngine("local").build();
    final Map<String, Place> places = new HashMap<>();
    volatile boolean interrupted;

    JavaLoop(PrintStream events) {
        this.events = events;
        String classPath = System.getenv("CLASSPATH");
        if (classPath != null && !classPath.isEmpty()) shell.addToClasspath(classPath);
        for (String name : IMPORTED) shell.eval("import " + name + ".*;");
    }

    public static void main(String[] given) throws Exception {
        PrintStream events = new PrintStream(new FileOutputStream(given[1]), true, "UTF-8");
        JavaLoop loop = new JavaLoop(events);
        BlockingQueue<String> waiting = new LinkedBlockingQueue<>();
        Thread reader = new Thread(() -> loop.read(given[0], waiting), "requests");
        reader.setDaemon(true);
        reader.start();
        events.println("{\"type\":\"ready\"}");
        while (true) loop.execute(waiting.take().split(" ", -1));
    }

    // ---- requests

    void read(String path, BlockingQueue<String> waiting) {
        try (InputStreamReader letters = new InputStreamReader(new FileInputStream(path), StandardCharsets.US_ASCII);
                BufferedReader lines = new BufferedReader(letters)) {
            for (String line; (line = lines.readLine()) != null; ) {
                if (line.equals("interrupt")) interrupt();
                else waiting.add(line);
            }
        } catch (IOException broken) {
            System.err.println(broken);
        }
        Runtime.getRuntime().halt(0);
    }

    /** Ends the code, and the programs that it runs: to them no signal goes. */
    void interrupt() {
        interrupted = true;
        ProcessHandle.current().descendants().forEach(ProcessHandle::destroy);
        shell.stop();
    }

    void execute(String[] request) {
        interrupted = false;
        String outcome;
        try {
            String code = new String(Base64.getDecoder().decode(request[1]), StandardCharsets.UTF_8);
            String value = evaluate(code, Integer.parseInt(request[0]));
            outcome = "\"status\":\"ok\"" + (value.isEmpty() ? "" : ",\"data\":{\"text/plain\":" + json(value) + "}");
        } catch (Failed failed) {
            outcome = error(failed.name, failed.getMessage(), failed.trace);
        } catch (Throwable broken) { // the evaluator itself, such as for want of memory
            outcome = error(broken.getClass().getName(), String.valueOf(broken.getMessage()), "");
        }
        System.out.flush();
        System.err.flush();
        events.println("{\"type\":\"end\"," + outcome + "}");
    }

    static String error(String name, String message, String trace) {
        return "\"status\":\"error\",\"name\":" + json(name) + ",\"message\":" + json(message)
                + ",\"stack\":" + json(trace);
    }

    static String json(String text) {
        StringBuilder quoted = new StringBuilder("\"");
        for (char c : text.toCharArray()) {
            if (c == '"' || c == '\\') quoted.append('\\').append(c);
            else if (c < 0x20 || Character.isSurrogate(c)) quoted.append(String.format("\\u%04x", (int) c));
            else quoted.append(c);
        }
        return quoted.append('"').toString();
    }

    // ---- code

    /** Evaluates one snippet after the other; gives the value of the last one, if it is an expression that has one. */
    String evaluate(String code, int call) throws Failed {
        String value = "";
        String rest = code.stripLeading();
        while (!rest.isEmpty()) {
            CompletionInfo info = shell.sourceCodeAnalysis().analyzeCompletion(rest);
            if (info.completeness() == Completeness.EMPTY) break; // comments
            boolean whole = info.completeness().isComplete();
            String source = whole ? info.source() : rest;
            value = snippet(source, code, code.length() - rest.length(), call);
            rest = whole ? info.remaining().stripLeading() : "";
        }
        return value;
    }

    String snippet(String source, String code, int from, int call) throws Failed {
        Place place = new Place(call, newlines(code.substring(0, from)));
        String value = "";
        for (SnippetEvent event : shell.eval(source)) {
            places.put(event.snippet().id(), event.causeSnippet() == null ? place : places.get(event.snippet().id()));
            if (interrupted) throw new Failed("Interrupted", "the run was interrupted", "");
            if (event.status() == Snippet.Status.REJECTED) throw rejected(event.snippet(), code, from, call);
            if (event.causeSnippet() == null) value = taken(event);
        }
        return value;
    }

    String taken(SnippetEvent event) throws Failed {
        Snippet snippet = event.snippet();
        if (event.exception() != null) throw raised(event.exception());
        if (event.status() != Snippet.Status.VALID && snippet instanceof DeclarationSnippet) {
            System.err.println("[" + needs((DeclarationSnippet) snippet) + "]");
        }
        boolean named = snippet.kind() != Kind.EXPRESSION && snippet.subKind() != SubKind.TEMP_VAR_EXPRESSION_SUBKIND;
        return named || event.value() == null ? "" : event.value();
    }

    String needs(DeclarationSnippet snippet) {
        String wanted = shell.unresolvedDependencies(snippet).collect(Collectors.joining(", "));
        return snippet.name() + " needs what is not defined yet" + (wanted.isEmpty() ? "" : ": " + wanted);
    }

    // ---- errors

    Failed rejected(Snippet snippet, String code, int from, int call) {
        List<Diag> errors = shell.diagnostics(snippet).filter(Diag::isError).collect(Collectors.toList());
        if (errors.isEmpty()) return new Failed("CompileError", "the code was rejected", "");
        String told = errors.stream().map(each -> shown(text(each), code, from + (int) each.getPosition(), call))
                .collect(Collectors.joining("\n"));
        return new Failed("CompileError", text(errors.get(0)), told);
    }

    static String text(Diag error) {
        return error.getMessage(Locale.ROOT).strip();
    }

    /** The message with its place, the line, and a mark below it. */
    static String shown(String text, String code, int position, int call) {
        int at = Math.max(0, Math.min(position, code.length()));
        int begin = code.lastIndexOf('\n', at - 1) + 1;
        int end = code.indexOf('\n', at);
        String line = code.substring(begin, end < 0 ? code.length() : end);
        String where = "In[" + call + "]:" + (1 + newlines(code.substring(0, at))) + ":" + (at - begin + 1);
        return where + ": " + text + "\n    " + line + "\n    " + " ".repeat(at - begin) + "^";
    }

    Failed raised(JShellException exception) {
        if (exception instanceof UnresolvedReferenceException) {
            String needs = needs(((UnresolvedReferenceException) exception).getSnippet());
            return new Failed("UnresolvedReference", needs, "UnresolvedReference: " + needs + frames(exception));
        }
        String message = exception.getMessage();
        return new Failed(name(exception), message == null ? "" : message, trace(exception));
    }

    static String name(Throwable exception) {
        if (exception instanceof EvalException) return ((EvalException) exception).getExceptionClassName();
        return exception.getClass().getName();
    }

    String trace(Throwable exception) {
        String message = exception.getMessage();
        String head = name(exception) + (message == null ? "" : ": " + message) + frames(exception);
        Throwable cause = exception.getCause();
        return cause == null || cause == exception ? head : head + "\nCaused by: " + trace(cause);
    }

    String frames(Throwable exception) {
        StringBuilder lines = new StringBuilder();
        for (StackTraceElement frame : exception.getStackTrace()) lines.append("\n    at ").append(frame(frame));
        return lines.toString();
    }

    /** Snippets are told as "#7": whoever wrote the code knows it by its call and its line there. */
    String frame(StackTraceElement frame) {
        String file = frame.getFileName();
        Place place = file != null && file.startsWith("#") ? places.get(file.substring(1)) : null;
        if (place == null) return frame.toString();
        String owner = frame.getClassName().isEmpty() ? "" : frame.getClassName() + ".";
        String where = place.line(frame.getLineNumber());
        return frame.getMethodName().isEmpty() ? where : owner + frame.getMethodName() + "(" + where + ")";
    }

    static int newlines(String text) {
        return (int) text.chars().filter(c -> c == '\n').count();
    }
}
