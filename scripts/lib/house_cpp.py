"""Just enough C++ to check clang-formatted code: text apart from code, and where functions begin and end."""
import re
from typing import NamedTuple


class Split(NamedTuple):
    code: str     # comments and texts blanked, line numbers kept
    strings: str  # only the insides of texts; everything else blanked
    raw: str


_TOKEN = re.compile(r'''//[^\n]*|/\*.*?\*/|R"(?P<d>[^()\s\\]{0,16})\(.*?\)(?P=d)"|"(?:\\.|[^"\\\n])*"|'''
                    r"""(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'""", re.DOTALL)


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def split(text):
    code, strings, at = [], [], 0
    for match in _TOKEN.finditer(text):
        between, token = text[at:match.start()], match.group()
        code.append(between)
        strings.append(_blank(between))
        if token.startswith("/"):
            code.append(_blank(token))
            strings.append(_blank(token))
        else:
            quote = '"' if '"' in token[:2] else "'"
            # The quotes stay in the code, so that `f("")` is still a call with an argument.
            code.append(quote + _blank(token[1:-1]) + quote)
            inside = re.sub(r'^R"[^(]*\(|\)[^)"]*"$|^"|"$', lambda m: " " * len(m.group()), token)
            strings.append(inside if quote == '"' else _blank(token))
        at = match.end()
    code.append(text[at:])
    strings.append(_blank(text[at:]))
    # One text in several literals is one text: the line breaks between them stay.
    return Split("".join(code), "".join(strings), text)


def _kind(head):
    """What a block with this head is, where declarations stand."""
    head = re.sub(r"\btemplate\s*<[^{};]*?>\s*(?=\w)", "", head.strip(), count=1)
    bare = re.sub(r"\([^()]*\)", "", re.sub(r"\([^()]*\)", "", head))
    if re.match(r"(?:inline\s+)?namespace\b|extern\s+\"", head):
        return "namespace"
    if re.match(r"(?:typedef\s+)?(?:class|struct|union|enum)\b", head):
        return "type"
    if "(" in head and not re.search(r"(?<!operator)\s=\s", bare):
        return "function"
    return "block"


def _name(head, raw_head):
    test = re.search(r'\b(?:TEST_CASE|SCENARIO|TEST_CASE_METHOD)\s*\(.*?"((?:\\.|[^"\\])*)"', raw_head, re.DOTALL)
    if test:
        return "test:" + re.sub(r"\W+", "-", test.group(1)).strip("-")[:48]
    match = re.search(r"((?:[\w~]+::)*(?:operator\s*[^\s(]+|~?\w+))\s*\(", head)
    return re.sub(r"\s+", "", match.group(1)) if match else "?"


def functions(parts):
    """(name, first line, last line) of every function body outside other functions."""
    code = re.sub(r"(?m)^[ \t]*#(?:[^\n]*\\\n)*[^\n]*", lambda m: _blank(m.group()), parts.code)
    stack, start = [], 0  # start: where the head of the next block begins
    for match in re.finditer(r"[{};]", code):
        at, mark = match.start(), match.group()
        inside = stack[-1] if stack else ("namespace", "", 0)
        if mark == "{":
            head = code[start:at]
            if inside[0] in ("function", "block"):
                stack.append(("block", "", 0))
            elif code[at - 1] not in " \n":
                stack.append(("initialiser", "", start))  # `member_{1}`: the head goes on after it
                continue
            else:
                first = code.count("\n", 0, start + len(head) - len(head.lstrip())) + 1
                stack.append((_kind(head), _name(head, parts.raw[start:at]), first))
        elif mark == "}" and stack:
            kind, name, first = stack.pop()
            if kind == "initialiser":
                start = first
                continue
            if kind == "function":
                yield name, first, code.count("\n", 0, at) + 1
        elif mark == ";" and inside[0] == "initialiser":
            continue
        start = at + 1
