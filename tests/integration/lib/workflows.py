"""Workflows as the tests write and ask for them."""
from lib.api import instant
from lib.cluster import TestCase

WORKFLOW_ID = r"^wf_[0-9A-HJKMNP-TV-Z]{13}$"


def node(name, *parents, **fields):
    """A command that waits for `parents`."""
    fields.setdefault("type", "builtin.noop")
    if parents:
        fields["depends_on"] = list(parents)
    return {"name": name, **fields}


def workflow(*commands, name="w", **fields):
    return {"name": name, "commands": list(commands), **fields}


def states(view):
    return {command["name"]: command["state"] for command in view["commands"]}


def ids(view):
    return {command["name"]: command["id"] for command in view["commands"]}


class WorkflowCase(TestCase):
    """For one cluster: self.api."""

    def submit(self, *commands, **fields):
        return self.api.want(201, "POST", "/v1/workflows", workflow(*commands, **fields)).json

    def view(self, id):
        return self.api.get(f"/v1/workflows/{id}")

    def ended(self, id, seconds=40):
        """The view after its end."""
        def look():
            view = self.view(id)
            return view if view["state"] != "running" else None
        return self.wait(f"{id} has ended", look, seconds)

    def change(self, id, verb, status=200):
        return self.api.post(f"/v1/workflows/{id}/{verb}", status=status)

    def commands(self, view):
        """Every command of it in full, by name."""
        return {name: self.api.command(id) for name, id in ids(view).items()}

    def check_order(self, view, commands):
        """None has started before all it depends on had succeeded, by the server's own instants."""
        for entry in view["commands"]:
            starts = [instant(a["started_at"]) for a in commands[entry["name"]]["attempts"] if a["started_at"]]
            for parent in entry["depends_on"]:
                self.assertEqual(commands[parent]["state"], "succeeded", parent)
                self.assertGreaterEqual(min(starts), instant(commands[parent]["finished_at"]), (parent, entry))

    def check_parents_first(self, view):
        seen = set()
        for entry in view["commands"]:
            self.assertLessEqual(set(entry["depends_on"]), seen, entry["name"])
            seen.add(entry["name"])
