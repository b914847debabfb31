"""The API reference as a page: what openapi.yaml says, in an order and a form for people."""
import json

import yaml

METHODS = ("get", "post", "put", "delete", "patch")

# The first part of a path after /v1 -> its chapter, in the order of the page.  A route that is in none ends up in the
# last one.
CHAPTERS = {
    "commands": "Commands", "schedules": "Schedules", "workflows": "Workflows", "operations": "Acts on many",
    "queues": "Queues", "agents": "Agents", "shards": "Shards", "stats": "Statistics", "events": "Events", "audit": "Audit",
    "clock": "Clock", "server": "Server",
}
REST = "Probes, metrics and files"


def anchor(heading):
    """What a heading is called in a link."""
    kept = "".join(c for c in heading.lower() if c.isalnum() or c in " -_")
    return kept.replace(" ", "-")


def flat(text):
    return " ".join(str(text or "").split())


def cell(text):
    return flat(text).replace("|", "\\|")


class Reference:
    def __init__(self, text):
        self.api = yaml.safe_load(text)
        self.schemas = self.api["components"]["schemas"]
        self.lines = []

    def add(self, *lines):
        self.lines += lines

    # ---- what a schema says, in a few words

    def resolved(self, item):
        """(name of the component or None, the item itself)."""
        if "$ref" not in item:
            return None, item
        kind, name = item["$ref"].split("/")[-2:]
        return name, {**self.api["components"][kind][name], **{key: value for key, value in item.items() if key != "$ref"}}

    def is_object(self, schema):
        return "properties" in schema or "allOf" in schema

    def named(self, schema):
        """A reference to a schema: an object has a heading of its own, all else is told on the spot."""
        name, whole = self.resolved(schema)
        if name is not None and self.is_object(whole):
            return f"[{name}](#{anchor(name)})"
        return self.words(whole)

    def words(self, schema):
        if "$ref" in schema:
            return self.named(schema)
        if "anyOf" in schema:
            return " or ".join(self.named(one) for one in schema["anyOf"])
        if "enum" in schema or "const" in schema:
            return ", ".join(f"`{'null' if one is None else one}`" for one in schema.get("enum", [schema.get("const")]))
        kinds = schema.get("type", "any JSON")
        words = " or ".join(kinds) if isinstance(kinds, list) else kinds
        if words == "object" and "properties" in schema:
            words = "{" + ", ".join(f"`{name}`" for name in schema["properties"]) + "}"
        elif words == "array":
            words = f"list of {self.named(schema.get('items', {}))}"
        elif "format" in schema:
            words = words.replace("string", "instant" if schema["format"] == "date-time" else schema["format"])
        return words + self.bounds(schema)

    @staticmethod
    def bounds(schema):
        texts = []
        least, most = schema.get("minimum"), schema.get("maximum")
        if least is not None or most is not None:
            texts.append(f"{least if least is not None else ''} to {most}" if most is not None else f"{least} or more")
        if "maxLength" in schema:
            texts.append(f"at most {schema['maxLength']} characters")
        if "pattern" in schema:
            texts.append(f"`{schema['pattern']}`")
        if "maxItems" in schema:
            texts.append(f"at most {schema['maxItems']}")
        return f" ({', '.join(texts)})" if texts else ""

    def fields(self, schema):
        """(field, required, its schema) of an object, those of its parts first."""
        for part in schema.get("allOf", []):
            yield from self.fields(self.resolved(part)[1])
        required = schema.get("required", [])
        for name, field in schema.get("properties", {}).items():
            yield name, name in required, field

    def table(self, schema, with_required):
        rows = list(self.fields(schema))
        if not rows:
            return
        self.add("| field | | |", "| --- | --- | --- |")
        for name, required, field in rows:
            text = flat(self.resolved(field)[1].get("description"))
            if "default" in field:
                text = f"{text}{'. ' if text else ''}Default `{json.dumps(field['default']).strip(chr(34))}`"
            mark = "**required**. " if required and with_required else ""
            self.add(f"| `{name}` | {cell(self.words(field))} | {cell(mark + text)} |")
        self.add("")

    # ---- routes

    def parameters(self, found):
        rows = [self.resolved(one)[1] for one in found]
        if not rows:
            return
        self.add("| parameter | | |", "| --- | --- | --- |")
        for one in rows:
            place = one["in"] if one["in"] != "path" else "in the path"
            schema = self.resolved(one["schema"])[1]
            text = one.get("description") or schema.get("description", "")
            if "default" in schema:
                text = f"{flat(text)}{'. ' if text else ''}Default `{schema['default']}`"
            self.add(f"| `{one['name']}` ({place}) | {cell(self.words(one['schema']))} | {cell(text)} |")
        self.add("")

    def content(self, item, lead):
        """What is sent or answered: an object of its own name as a link, others as a table."""
        for kind, media in item.get("content", {}).items():
            schema = media.get("schema", {})
            name, whole = self.resolved(schema)
            label = "" if kind == "application/json" else f" (`{kind}`)"
            if name is not None and self.is_object(whole):
                self.add(f"{lead}{label}: [{name}](#{anchor(name)}).", "")
            elif self.is_object(whole):
                self.add(f"{lead}{label}:", "")
                self.table(whole, lead == "Body")

    def answers(self, responses):
        self.add("| answer | |", "| --- | --- |")
        plain = []
        for status, response in responses.items():
            name, whole = self.resolved(response)
            if name == "Problem" and "description" not in response:
                plain.append(status)
                continue
            self.add(f"| {status} | {cell(': '.join(filter(None, [flat(whole.get('description')), self.answer_link(whole)])))} |")
        if plain:
            self.add(f"| {', '.join(plain)} | [Problem](#problem) |")
        self.add("")

    def answer_link(self, response):
        for media in response.get("content", {}).values():
            name, whole = self.resolved(media.get("schema", {}))
            if name is not None and self.is_object(whole):
                return f"[{name}](#{anchor(name)})"
        return ""

    def route(self, method, path, shared, item):
        self.add(f"### {method.upper()} {path}", "", f"{flat(item['summary'])}.", "")
        if item.get("description"):
            self.add(flat(item["description"]), "")
        self.parameters([*shared, *item.get("parameters", [])])
        if "requestBody" in item:
            self.content(item["requestBody"], "Body")
        self.answers(item["responses"])
        for status, response in item["responses"].items():
            name, whole = self.resolved(response)
            if status.startswith("2") and name is None:
                schemas = [media.get("schema", {}) for media in whole.get("content", {}).values()]
                if any("$ref" not in schema and self.is_object(schema) for schema in schemas):
                    self.content(whole, f"Answer {status}")

    def chapters(self):
        """Chapter -> [(method, path, shared parameters, operation)]."""
        found = {title: [] for title in [*CHAPTERS.values(), REST]}
        for path, item in self.api["paths"].items():
            parts = path.split("/")
            title = CHAPTERS.get(parts[2], REST) if parts[1] == "v1" else REST
            for method in METHODS:
                if method in item:
                    found[title].append((method, path, item.get("parameters", []), item[method]))
        return {title: routes for title, routes in found.items() if routes}

    def page(self):
        info, chapters = self.api["info"], self.chapters()
        self.add("# The HTTP API", "", "<!-- Made by scripts/docs from proto-schemas/openapi.yaml: change that, then run it. -->", "",
                 flat(info["description"]), "", "The same for programs: `GET /openapi.yaml`, or "
                 "[proto-schemas/openapi.yaml](../proto-schemas/openapi.yaml).", "")
        for title, routes in chapters.items():
            links = [f"[`{method.upper()} {path}`](#{anchor(f'{method.upper()} {path}')})" for method, path, _, _ in routes]
            self.add(f"- **[{title}](#{anchor(title)})**: {' · '.join(links)}")
        self.add("- **[Objects](#objects)**: what is sent and answered", "")
        for title, routes in chapters.items():
            self.add(f"## {title}", "")
            for route in routes:
                self.route(*route)
        self.add("## Objects", "")
        for name, schema in self.schemas.items():
            if self.is_object(schema):
                self.add(f"### {name}", "")
                if schema.get("description"):
                    self.add(flat(schema["description"]), "")
                self.table(schema, True)
        return "\n".join(self.lines).rstrip("\n") + "\n"


def page(text):
    return Reference(text).page()
