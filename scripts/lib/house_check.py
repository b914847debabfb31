"""The checks behind scripts/house-rules: one method a rule, all reading the same split of each file."""
import os
import re
import stat

import house_cpp
import house_tables as tables


def walk(root):
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if not f.startswith((".git", "build"))]
        found += [os.path.relpath(os.path.join(folder, name), root) for name in names]
    return sorted(found)


def under(name, places):
    """True when `name` is one of the places, inside one, or begins like one that names a file."""
    return any(place == "" or name == place or name.startswith(place + "/") or
               (os.path.splitext(name)[0] == place) or ("/" in place and name.startswith(place) and
                                                        os.path.dirname(name) == os.path.dirname(place))
               for place in places)


class Tree:
    def __init__(self, root, names):
        self.root = root
        self.names = names
        self.findings = []
        self.texts = {}
        for name in names:
            try:
                with open(os.path.join(root, name), encoding="utf-8") as file:
                    self.texts[name] = file.read()
            except UnicodeDecodeError:
                continue
        self.code = [n for n in self.texts
                     if os.path.splitext(n)[1] in tables.CODE and under(n, tables.OURS)]
        self.split = {name: house_cpp.split(self.texts[name]) for name in self.code}

    def check(self):
        for name in self.code:
            self.includes(name)
            self.header(name)
        self.bans()
        self.ratchet()
        self.listed()
        self.scripts()
        return sorted(set(self.findings))

    def find(self, name, line, rule, instead):
        self.findings.append(f"{name}:{line}: {rule}: {instead}")

    # ---- includes ------------------------------------------------------------------------------------------

    def includes(self, name):
        for number, line in enumerate(self.texts[name].splitlines(), 1):
            match = re.match(r'\s*#\s*include\s*([<"])([^>"]+)[>"]', line)
            if not match:
                continue
            mark, target = match.groups()
            if target.split("/")[0] in tables.OURS and "/" in target:
                self.direction(name, number, target)
            elif mark == '"' and not self.library(name, number, target):
                self.find(name, number, "include-path", f"write the path of {target} from the root")
            else:
                self.library(name, number, target)

    def direction(self, name, number, target):
        folder = max((f for f in tables.MAY_SEE if under(name, [f])), key=len, default=None)
        if folder is None:
            self.find(name, number, "include", "add this folder to MAY_SEE in scripts/lib/house_tables.py")
        elif not any(target == seen or target.startswith(seen + "/") for seen in tables.MAY_SEE[folder]):
            allowed = " ".join(tables.MAY_SEE[folder])
            self.find(name, number, "include", f"{folder} must not see {target}; it sees {allowed}")

    def library(self, name, number, target):
        """True when `target` belongs to a library of the table."""
        for beginnings, places in tables.LIBRARIES:
            if target.startswith(beginnings):
                past_the_cap = target.startswith("nlohmann/") and "common/wire/json.h" in self.texts[name]
                if not under(name, places) and not past_the_cap:
                    self.find(name, number, "library", f"{target} belongs to {' '.join(places)}: use what they offer")
                return True
        return False

    def header(self, name):
        if not name.endswith(".h"):
            return
        text = self.texts[name]
        if not text.startswith(("//", "/*")):
            self.find(name, 1, "header", "begin with one sentence that says what this is")
        if "\n#pragma once\n" not in text:
            self.find(name, 1, "header", "#pragma once")

    # ---- banned calls --------------------------------------------------------------------------------------

    def bans(self):
        for name in self.texts:
            if name in tables.SELF:
                continue
            views = {"all": self.texts[name]}
            if name in self.split:
                views["code"], views["sql"] = self.split[name].code, self.split[name].strings
            elif os.path.splitext(name)[1] not in (".md", ".svg", ".json"):
                views["shell"] = re.sub(r"(?m)(^|\s)#.*$", r"\1", self.texts[name])
            for rule, view, pattern, places, exempt, instead in tables.BANS:
                if view in views and under(name, places) and not under(name, exempt):
                    self.ban(name, views[view], rule, pattern, instead)

    def ban(self, name, text, rule, pattern, instead):
        for match in re.finditer(pattern, text, re.MULTILINE):
            start = match.start() + len(match.group()) - len(match.group().lstrip())
            self.find(name, text.count("\n", 0, start) + 1, rule, instead)

    # ---- sizes ---------------------------------------------------------------------------------------------

    def sizes(self):
        """(kind, file, name of the function or empty, lines, line number) of whatever is over a limit."""
        for name, text in self.texts.items():
            is_script = name.startswith(("scripts/", ".ci/")) and not name.endswith((".md", ".ratchet"))
            if name not in self.split and not is_script:
                continue
            lines = text.count("\n")
            if lines > tables.FILE_LINES:
                yield "file", name, "", lines, 1
            if name in self.split:
                for function, first, last in house_cpp.functions(self.split[name]):
                    if last - first + 1 > tables.FUNCTION_LINES:
                        yield "function", name, function, last - first + 1, first

    def oversized_lines(self):
        return sorted(" ".join(filter(None, [kind, name, function, str(lines)]))
                      for kind, name, function, lines, _ in self.sizes())

    def ratchet(self):
        allowed = self.read_ratchet()
        for kind, name, function, lines, at in self.sizes():
            key = (kind, name, function)
            limit = tables.FILE_LINES if kind == "file" else tables.FUNCTION_LINES
            entry = allowed.pop(key, None)
            if entry is None:
                self.find(name, at, "size", f"{function or 'file'}: {lines} lines; split it: the limit is {limit}")
            elif lines > entry[0]:
                self.find(name, at, "size", f"{function or 'file'}: {lines} lines; split it: it had {entry[0]}")
        for (kind, name, function), (_, line) in allowed.items():
            self.find(tables.RATCHET, line, "size", f"remove `{kind} {name} {function}`: it is no longer needed")

    def read_ratchet(self):
        allowed = {}
        for number, line in enumerate(self.texts.get(tables.RATCHET, "").splitlines(), 1):
            if not line.strip() or line.startswith("#"):
                continue
            kind, name, *function, lines = line.split()
            allowed[(kind, name, " ".join(function))] = (int(lines), number)
        return allowed

    # ---- files ---------------------------------------------------------------------------------------------

    def listed(self):
        words = {}
        for name, text in self.texts.items():
            if os.path.basename(name) == "CMakeLists.txt":
                words[os.path.dirname(name)] = set(re.split(r'[\s()"]+', re.sub(r"#.*", "", text)))
        for name in self.code:
            if name.endswith(".cpp") and not any(os.path.relpath(name, folder or ".") in listed
                                                 for folder, listed in words.items()):
                self.find(name, 1, "unlisted", "name it in the CMakeLists.txt of its folder, or remove it")

    def scripts(self):
        for name, text in self.texts.items():
            if not text.startswith("#!"):
                continue
            if not os.stat(os.path.join(self.root, name)).st_mode & stat.S_IXUSR:
                self.find(name, 1, "script", f"chmod +x {name}")
            first = text.split("\n", 1)[0]
            if re.search(r"\b(?:ba|da)?sh\b", first) and not re.search(r"(?m)^set -\w*e", text):
                self.find(name, 1, "script", "set -euo pipefail")
