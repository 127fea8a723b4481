# SPDX-License-Identifier: GPL-2.0-or-later
"""What query-qmp-schema says, and whether values are as it says."""

CHECKS = {
    "int": lambda v: isinstance(v, int) and not isinstance(v, bool),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "number": lambda v: isinstance(v, (int, float)) and not isinstance(v, bool),
    "null": lambda v: v is None,
    "value": lambda v: True,
}


class Schema:
    def __init__(self, entries):
        self.by_name = {e["name"]: e for e in entries}
        assert len(self.by_name) == len(entries), "a name is there twice"

    def names(self, meta):
        return {n for n, e in self.by_name.items() if e["meta-type"] == meta}

    def references(self):
        """All names that entries refer to."""
        for e in self.by_name.values():
            for key in ("arg-type", "ret-type", "element-type"):
                if key in e:
                    yield e[key]
            for m in e.get("members", []):
                if "type" in m:
                    yield m["type"]
            for v in e.get("variants", []):
                yield v["type"]

    # ---- values ----

    def check(self, name, value, where):
        """Complaints about a value of type `name`."""
        e = self.by_name[name]
        meta = e["meta-type"]
        if meta == "builtin":
            ok = CHECKS[e["json-type"]](value)
            return [] if ok else [f"{where}: {value!r} is no {e['json-type']}"]
        if meta == "array":
            if not isinstance(value, list):
                return [f"{where}: {value!r} is no array"]
            return [c for i, v in enumerate(value)
                    for c in self.check(e["element-type"], v, f"{where}[{i}]")]
        if meta == "enum":
            ok = value in self.enum(e)
            return [] if ok else [f"{where}: {value!r} is no value of it"]
        if meta == "alternate":
            tries = [self.check(m["type"], value, where) for m in e["members"]]
            return [] if [] in tries else tries[0]
        return self.check_object(e, value, where)

    def check_object(self, e, value, where):
        if not isinstance(value, dict):
            return [f"{where}: {value!r} is no object"]
        members = list(e["members"])
        if "tag" in e:
            for v in e["variants"]:
                if v["case"] == value.get(e["tag"]):
                    members += self.by_name[v["type"]]["members"]
        complaints = []
        known = {m["name"]: m for m in members}
        for key in value:
            if key not in known:
                complaints.append(f"{where}: has {key}")
        for key, m in known.items():
            if key in value:
                complaints += self.check(m["type"], value[key], f"{where}.{key}")
            elif "default" not in m:
                complaints.append(f"{where}: lacks {key}")
        return complaints

    @staticmethod
    def enum(e):
        return set(e["values"]) if "values" in e else {
            m["name"] for m in e["members"]}

    def arguments(self, command):
        """Members of a command's (or event's) arguments, all variants'."""
        return self.all_members(self.by_name[command]["arg-type"])

    def all_members(self, name):
        e = self.by_name[name]
        members = list(e["members"])
        for v in e.get("variants", []):
            members += self.by_name[v["type"]]["members"]
        return {m["name"]: m for m in members}


class Comparison:
    """Whether what ours describes is a part of what theirs does."""

    def __init__(self, ours, theirs):
        self.ours = ours
        self.theirs = theirs
        self.seen = set()

    def types(self, our, their, where, sent):
        """@sent: values go from us to a client; else the other way."""
        if (our, their, sent) in self.seen:
            return []
        self.seen.add((our, their, sent))
        a, b = self.ours.by_name[our], self.theirs.by_name[their]
        meta = a["meta-type"]
        if meta != b["meta-type"]:
            return [f"{where}: {meta}, not {b['meta-type']}"]
        if meta == "builtin":
            same = a["json-type"] == b["json-type"]
            return [] if same else [f"{where}: another type"]
        if meta == "array":
            return self.types(a["element-type"], b["element-type"],
                              f"{where}[]", sent)
        if meta == "enum":
            more = {v for v in self.ours.enum(a) - self.theirs.enum(b)
                    if not v.startswith("x-vireo")}
            return [f"{where}: {v} is not theirs" for v in sorted(more)]
        if meta == "alternate":
            return []  # compared by the values that there are
        return self.objects(our, their, where, sent)

    def objects(self, our, their, where, sent):
        mine = self.ours.all_members(our)
        other = self.theirs.all_members(their)
        complaints = []
        for name, m in mine.items():
            if name not in other:
                complaints.append(f"{where}: {name} is not theirs")
                continue
            complaints += self.types(m["type"], other[name]["type"],
                                     f"{where}.{name}", sent)
            optional, theirs = "default" in m, "default" in other[name]
            # They may rely on what is required of them to send, or to be sent.
            if sent and optional and not theirs:
                complaints.append(f"{where}: {name} may be absent")
            if not sent and theirs and not optional:
                complaints.append(f"{where}: {name} must be there")
        for name, m in other.items():
            if name not in mine and "default" not in m:
                if not self.in_variant(their, name):
                    complaints.append(f"{where}: {name} is missing")
        return complaints

    def in_variant(self, their, name):
        e = self.theirs.by_name[their]
        return all(m["name"] != name for m in e["members"])

    def command(self, name):
        a, b = self.ours.by_name[name], self.theirs.by_name[name]
        return (self.types(a["arg-type"], b["arg-type"], f"{name} takes", False)
                + self.types(a["ret-type"], b["ret-type"],
                             f"{name} returns", True))

    def event(self, name):
        return self.types(self.ours.by_name[name]["arg-type"],
                          self.theirs.by_name[name]["arg-type"], name, True)
