"""The house rules as tables: who sees whom, which library lives where, what is banned and what to write instead."""

FILE_LINES = 400
FUNCTION_LINES = 60
RATCHET = "scripts/house-rules.ratchet"

# Folder -> what its files may include of ours (a folder, or one header).  The longest matching folder decides.
_BASE = ["common/base", "common/model"]
_WIRE = [*_BASE, "common/wire", "common/amqp/broker.h"]
MAY_SEE = {
    "common/base": ["common/base"],
    "common/model": _BASE,
    "common/runtime": ["common/base", "common/runtime"],
    "common/metrics": ["common/base", "common/metrics"],
    "common/http": ["common/base", "common/runtime/asio_loop.h", "common/http"],
    "common/trace": [*_BASE, "common/amqp/broker.h", "common/wire/json_text.h", "common/http", "common/runtime/asio_loop.h",
                     "common/trace"],
    "common/amqp": [*_BASE, "common/amqp", "common/runtime/loop.h"],
    "common/wire": [*_BASE, "common/amqp/broker.h", "common/wire"],
    "common/tls": [*_BASE, "common/tls"],
    "common/link": [*_BASE, "common/wire", "common/runtime", "common/tls", "common/link"],
    "common/app": [*_BASE, "common/amqp", "common/runtime", "common/wire", "common/app"],
    "control-server/store": [*_BASE, "common/wire/json.h", "control-server/store"],
    "control-server/core": [*_WIRE, "common/runtime/loop.h", "control-server/store", "control-server/core"],
    "control-server/api": [*_WIRE, "common/runtime", "common/tls", "common/metrics", "control-server/core", "control-server/store/reader.h",
                           "control-server/api"],
    "control-server/link": [*_WIRE, "common/link", "common/runtime", "control-server/core", "control-server/link"],
    "control-server/ingest": [*_WIRE, "common/runtime/loop.h", "control-server/core", "control-server/api/command_json.h",
                              "control-server/api/report_json.h", "control-server/ingest"],
    "control-server/notify": [*_WIRE, "common/http", "common/runtime", "control-server/core", "control-server/store/state_changes.h",
                              "control-server/notify"],
    "control-server/app": ["common", "control-server"],
    "agent/dispatch": [*_WIRE, "agent/dispatch"],
    "agent/execute": [*_WIRE, "agent/execute"],
    "agent/handlers": [*_WIRE, "common/http", "common/runtime", "agent/execute", "agent/handlers"],
    "agent/link": [*_WIRE, "common/link/link.h", "common/runtime/loop.h", "agent/dispatch", "agent/execute",
                   "agent/link"],
    "agent/app": ["common", "agent"],
    "agent/examples": ["common/base", "common/model", "common/wire/json.h", "agent/app", "agent/execute", "agent/handlers"],
    "cli": [*_BASE, "common/wire", "common/app", "cli"],
    "client": [*_BASE, "common/amqp", "common/http", "common/runtime", "common/wire", "client"],
    "tests": ["common", "control-server", "agent", "cli", "client", "tests"],
}

# Third-party headers: the beginning of the include -> where it may stand.
LIBRARIES = [
    (("sqlite3", "SQLiteCpp/"), ["control-server/store", "tests"]),
    (("amqp.h", "amqp_", "rabbitmq-c/"), ["common/amqp", "tests/bench/limits", "tests/bench/messages"]),
    (("boost/beast",), ["control-server/api/http_", "common/http/http_client.cpp", "tests"]),
    (("boost/asio",), ["common/runtime", "common/tls", "common/link", "common/http/http_client.cpp", "common/app", "control-server/api", "control-server/app",
                       "control-server/link", "agent/app", "tests"]),
    (("spdlog/",), ["common/base/log.cpp"]),
    (("openssl/",), ["common/base/digest.cpp", "common/tls", "tests/lib"]),
    (("CLI/",), ["cli"]),
    (("httplib.h",), ["cli", "tests"]),
    (("prometheus/",), ["common/metrics"]),
    (("nlohmann/",), ["common/wire/json.h"]),  # and whoever includes that one, see house_check.py
    (("catch2/", "rapidcheck"), ["tests"]),
    (("date/",), ["tests"]),  # it knows no summer time after 2037: see common/model/zone_data.h
]

CODE = [".h", ".cpp"]
OURS = ["common", "control-server", "agent", "cli", "client", "tests"]
# What the simulator runs: the same seed must give the same history, so nothing may depend on hashes or addresses.
SIMULATED = ["common/base", "common/model", "common/wire", "common/amqp/confirm_tracker", "control-server/core",
             "control-server/ingest",
             "control-server/store", "agent/dispatch", "agent/execute", "agent/link", "tests/sim"]
_APPS = ["common/app", "control-server/app", "agent/app", "cli", "client/chance.cpp"]

# (rule, where it looks, pattern, folders it holds in, files that are exempt, what to write instead)
# "code" is C++ without comments and texts; "sql" is the texts of C++; "shell" is scripts without comments;
# "all" is every line.
BANS = [
    ("clock", "code", r"_clock::now\s*\(", OURS,
     ["common/runtime/asio_loop.cpp", "common/base/log.cpp", "tests/package/consumer/main.cpp"],
     "take `now` as an argument; at an edge without a Loop, machine_now() of common/runtime/asio_loop.h"),
    ("clock", "code", r"\b(?:gettimeofday|clock_gettime|std::time|localtime|gmtime)\s*\(", OURS, [],
     "take `now` as an argument"),
    ("sleep", "code", r"\b(?:sleep_for|sleep_until|usleep|nanosleep)\s*\(", OURS, ["common/app/crash.cpp", "common/app/freeze.cpp"],
     "wait for a named moment: Condition::wait_for, Loop::at, or the test's own wait_until()"),
    ("hash-order", "code", r"\bunordered_(?:multi)?(?:map|set)\b", SIMULATED, [],
     "std::map or std::set: the simulator repeats a history exactly"),
    ("randomness", "code", r"\brandom_device\b|\b(?:rand|srand|random)\s*\(|\bmt19937(?:_64)?\s+\w+\s*;", OURS, _APPS,
     "take a seed as an argument; only an app folder draws one"),
    ("begin", "sql", r"^\s*BEGIN\b(?!\s+IMMEDIATE)|\bBEGIN\s*(?:;|TRANSACTION|DEFERRED|EXCLUSIVE)", OURS, [],
     "BEGIN IMMEDIATE: a deferred transaction that later writes gets SQLITE_BUSY at once"),
    ("sql-clock", "sql", r"\bCURRENT_(?:TIMESTAMP|TIME|DATE)\b|\b(?:unixepoch|julianday|datetime)\s*\(\s*'now'", OURS,
     [], "bind the instant as a parameter"),
    ("shell-out", "code", r"(?<![\w.:>])(?:std::|::)?(?:system|popen)\s*\(", OURS, [],
     "posix_spawn or fork and exec with an argument vector: no shell"),
    ("c-string", "code", r"\b(?:strcpy|strcat|sprintf|vsprintf|gets|atoi|atol|atoll|atof)\s*\(", OURS, [],
     "std::string, std::snprintf or std::from_chars"),
    ("todo", "all", r"\b(?:TODO|FIXME|XXX)\b", [*OURS, "scripts", ".ci", "CMakeLists.txt", "Dockerfile"], [],
     "do it now, or open an issue and name nothing here"),
    ("kill-by-name", "shell", r"\b(?:pkill|killall)\b", ["scripts", ".ci", "tests", "docker"], [],
     "kill by the pid that was remembered at the start"),
    # Paths and helpers of one developer's machine mean nothing to anyone else.
    ("machine-path", "all", r"(?<![\w.$})/-])/(?:work|root|tmp/build)(?![\w-])", [""], [],
     "a path relative to the repository, or mktemp"),
    ("machine-path", "all", r"\b[a-z]+-here\b|(?<![\w/-])(?:\.\./)*shared/(?=\w+(?:\.|/))", [""], [],
     "nothing: a helper of one machine is not part of the project"),
    ("registry", "all", r"\b(?:docker\.io|quay\.io|ghcr\.io|registry\.(?:npmjs|hub|k8s|gitlab)[\w.-]*|pypi\.org|[\w.-]+\.internal)\b", [""],
     ["docker-compose.yml"], "an image or package by its plain name"),
]
# These hold the patterns themselves.
SELF = ["scripts/house-rules", "scripts/lib/house_tables.py", "scripts/lib/house_check.py",
        "scripts/lib/house_self_test.py"]
