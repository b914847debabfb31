"""Plants one violation of each house rule in a scratch folder and sees each one found, and nothing else."""
import os
import re
import tempfile

import house_check
import house_tables as tables

HEADER = "// What this is.\n#pragma once\n\n"
CLEAN = {
    "CMakeLists.txt": "add_subdirectory(common)\n",
    "common/base/CMakeLists.txt": "add_library(base a.cpp)\n",
    "common/base/a.h": HEADER + "#include <string>\nint a(const std::string& text);  // TO-DO lists are fine\n",
    "common/base/a.cpp": '#include "common/base/a.h"\n\nint a(const std::string& text) {\n  return text == "BEGIN "'
                         '\n                         "IMMEDIATE" ? 1\'000 : 2;  // never rand() nor sleep_for()\n}\n',
    "scripts/build": "#!/usr/bin/env bash\nset -euo pipefail\n# never pkill\n",
    "README.md": "See /v1/workflows and build/bin.\n",
}


def body(lines):
    return "int f(int n) {\n" + "  n += 1;\n" * (lines - 2) + "}\n"


def cpp(path, text):
    """A source file that is listed where it stands."""
    return {path: text, os.path.dirname(path) + "/CMakeLists.txt": f"add_library(x {os.path.basename(path)} a.cpp)\n"}


# name of the case -> (rule expected, files planted)
CASES = {
    "base sees wire": ("include", {"common/base/a.h": HEADER + '#include "common/wire/json.h"\n'}),
    "core sees the link": ("include", cpp("control-server/core/x.cpp", '#include "common/link/link.h"\n')),
    "api sees the writer": ("include", cpp("control-server/api/x.cpp", '#include "control-server/store/store.h"\n')),
    "agent sees the server": ("include", cpp("agent/app/x.cpp", '#include "control-server/core/inputs.h"\n')),
    "executor sees the dispatcher": ("include", cpp("agent/execute/x.cpp", '#include "agent/dispatch/d.h"\n')),
    "a folder nobody knows": ("include", cpp("agent/new/x.cpp", '#include "common/base/a.h"\n')),
    "a path from here": ("include-path", cpp("common/base/x.cpp", '#include "a.h"\n')),
    "SQLite in core": ("library", cpp("control-server/core/x.cpp", "#include <sqlite3.h>\n")),
    "AMQP in the agent": ("library", cpp("agent/app/x.cpp", "#include <amqp.h>\n")),
    "Asio in core": ("library", cpp("control-server/core/x.cpp", "#include <boost/asio/post.hpp>\n")),
    "Beast outside the edge": ("library", cpp("control-server/api/routes.cpp", "#include <boost/beast/http.hpp>\n")),
    "spdlog outside the log": ("library", cpp("common/base/x.cpp", "#include <spdlog/spdlog.h>\n")),
    "nlohmann past the cap": ("library", cpp("control-server/api/x.cpp", "#include <nlohmann/json.hpp>\n")),
    "httplib in the server": ("library", cpp("control-server/api/x.cpp", "#include <httplib.h>\n")),
    "CLI11 in the server": ("library", cpp("control-server/app/x.cpp", "#include <CLI/CLI.hpp>\n")),
    "Prometheus in core": ("library", cpp("control-server/core/x.cpp", "#include <prometheus/counter.h>\n")),
    "a clock": ("clock", cpp("common/base/x.cpp", "auto t = std::chrono::steady_clock::now();\n")),
    "a sleep": ("sleep", cpp("agent/app/x.cpp", "void f() { std::this_thread::sleep_for(x); }\n")),
    "hash order": ("hash-order", cpp("common/model/x.cpp", "std::unordered_map<int, int> m;\n")),
    "randomness": ("randomness", cpp("control-server/core/x.cpp", "std::random_device d;\n")),
    "no seed": ("randomness", cpp("agent/dispatch/x.cpp", "std::mt19937_64 engine;\n")),
    "a deferred transaction": ("begin", cpp("control-server/store/x.cpp", 'auto sql = "BEGIN";\n')),
    "SQL's clock": ("sql-clock", cpp("control-server/store/x.cpp", 'auto s = "SELECT CURRENT_TIMESTAMP";\n')),
    "a shell": ("shell-out", cpp("agent/handlers/x.cpp", "int f() { return std::system(text); }\n")),
    "popen": ("shell-out", cpp("agent/handlers/x.cpp", "auto* f = popen(text, mode);\n")),
    "a C string": ("c-string", cpp("common/base/x.cpp", "int f(const char* t) { return atoi(t); }\n")),
    "a note to self": ("todo", cpp("common/base/x.cpp", "// TODO: later\n")),
    "kill by name": ("kill-by-name", {"scripts/stop": "#!/bin/sh\nset -e\npkill duly\n"}),
    "a machine's path": ("machine-path", {"README.md": "cd /" + "work/main\n"}),
    "a helper of one machine": ("machine-path", {"README.md": "run `something" + "-here up`\n"}),
    "a registry": ("registry", {"Dockerfile": "FROM docker" + ".io/library/debian\n"}),
    "a long file": ("size", {"common/base/a.h": HEADER + "// more\n" * tables.FILE_LINES}),
    "a long function": ("size", cpp("common/base/x.cpp", body(tables.FUNCTION_LINES + 1))),
    "grown beyond the ratchet": ("size", {**cpp("common/base/x.cpp", body(80)),
                                          tables.RATCHET: "function common/base/x.cpp f 70\n"}),
    "an idle ratchet": ("size", {tables.RATCHET: "file common/base/a.h 500\n"}),
    "an unlisted file": ("unlisted", {"common/base/b.cpp": "int b;\n"}),
    "no first sentence": ("header", {"common/base/a.h": "#pragma once\n\nint a;\n"}),
    "no guard": ("header", {"common/base/a.h": "// What this is.\nint a;\n"}),
    "a script that goes on": ("script", {"scripts/go": "#!/bin/bash\nfalse\n"}),
    "a script nobody can start": ("script", {"scripts/lib/go": "#!/bin/bash\nset -e\n"}),
}


def findings_of(files):
    with tempfile.TemporaryDirectory() as root:
        for name, text in files.items():
            path = os.path.join(root, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
            if text.startswith("#!") and name != "scripts/lib/go":
                os.chmod(path, 0o755)
        return house_check.Tree(root, house_check.walk(root)).check()


def run():
    failures = [f"clean tree: {finding}" for finding in findings_of(CLEAN)]
    allowed = {**CLEAN, **cpp("common/base/x.cpp", body(80)), tables.RATCHET: "function common/base/x.cpp f 80\n"}
    failures += [f"as recorded in the ratchet: {finding}" for finding in findings_of(allowed)]
    for case, (rule, files) in CASES.items():
        found = findings_of({**CLEAN, **files})
        rules = {re.match(r"[^:]+:\d+: ([\w-]+): ", finding).group(1) for finding in found}
        if rules != {rule}:
            failures.append(f"{case}: expected {rule}, found {found or 'nothing'}")
    covered = {rule for rule, _ in CASES.values()}
    failures += [f"no case plants {ban[0]}" for ban in tables.BANS if ban[0] not in covered]
    for failure in failures:
        print(f"self-test: {failure}")
    print(f"{len(CASES) + 2 - len(failures)} passed, {len(failures)} failed")
    return 1 if failures else 0
