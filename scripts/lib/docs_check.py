"""Links between the pages: each leads to a file that is there, and to a heading of it; the index names every page."""
import os
import re
import subprocess

from api_reference import anchor

INDEX = "docs/README.md"
# One page a decision, listed by their folder.
UNLISTED = ("docs/decisions/", "docs/benchmarks/")


def pages(root):
    listed = subprocess.run(["git", "-C", root, "ls-files", "-co", "--exclude-standard", "--", "*.md"], capture_output=True,
                            text=True, check=True)
    return sorted(name for name in listed.stdout.splitlines() if os.path.isfile(os.path.join(root, name)))


def prose(text):
    """Without code blocks: what looks like a link there is none."""
    return re.sub(r"(?ms)^ *```.*?^ *```$", "", text)


def anchors(text):
    found, counts = set(), {}
    for heading in re.findall(r"(?m)^#{1,6} +(.*?)\s*$", prose(text)):
        name = anchor(re.sub(r"\[([^\]]*)\]\([^)]*\)|`", r"\1", heading))
        counts[name] = counts.get(name, -1) + 1
        found.add(f"{name}-{counts[name]}" if counts[name] else name)
    return found


def findings(root):
    texts, found = {}, []
    for name in pages(root):
        with open(os.path.join(root, name), encoding="utf-8") as text:
            texts[name] = text.read()
    linked = set()
    for name, text in texts.items():
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(text)):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, heading = target.partition("#")
            goal = os.path.normpath(os.path.join(os.path.dirname(name), path)) if path else name
            if name == INDEX:
                linked.add(goal)
            if not os.path.exists(os.path.join(root, goal)):
                found.append(f"{name}: link: {target}: there is no {goal}")
            elif heading and goal in texts and heading not in anchors(texts[goal]):
                found.append(f"{name}: link: {target}: {goal} has no such heading")
    for name in texts:
        if name.startswith("docs/") and name not in linked and name != INDEX and not name.startswith(UNLISTED):
            found.append(f"{INDEX}: index: it does not name {name}")
    return found
