"""Holds a file against what a tenant has, and says what it would change: a pure function of both."""

from collections.abc import Iterator
from copy import deepcopy

from podhealth.core.errors import InputError
from podhealth.core.pod_rules import MAX_ID, PodRules
from podhealth.core.words import Declared, Kind
from podhealth.declared.document import Document, Entry
from podhealth.declared.faults import Fault, FileError
from podhealth.declared.fields import place_of
from podhealth.declared.objects import Judged, differences, judge
from podhealth.declared.plan import Act, Asked, Change, Kept, Plan, State, Stored

MOST_CHECKS = 50
# What others name comes before them, and goes after them.
ORDER = (Declared.NODE, Declared.POLICY, Declared.POD, Declared.WINDOW, Declared.CHANNEL)
_NAMED = {Declared.NODE: "node", Declared.POLICY: "policy", Declared.POD: "pod"}


def plan(document: Document, state: State, asked: Asked) -> Plan:
    """Return what the file would change. Raises FileError with all places that the rules refuse.

    What the tenant has and the file lacks is kept; with ``asked.prune``, what configuration as code has added goes.
    """
    planner = _Planner(document, state, asked)
    for noun in ORDER:
        for entry in document.of(noun):
            planner.take(entry)
    planner.refuse_two_defaults()
    planner.refuse_used_nodes()
    if planner.faults:
        raise FileError(planner.faults)
    return Plan((*planner.changes, *planner.removals()), tuple(planner.kept), tuple(planner.notes))


class _Planner:
    def __init__(self, document: Document, state: State, asked: Asked) -> None:
        self._document, self._state, self._asked = document, state, asked
        self.faults: list[Fault] = []
        self.changes: list[Change] = []
        self.kept: list[Kept] = []
        self.notes: list[str] = []
        self._gone: list[Change] = []
        self._defaults: list[Entry] = []
        self._node_of: dict[int, int | None] = {
            pod.object_id: pod.rules.node_id for pod in state.objects[Declared.POD].values()
        }
        self._new_nodes: set[int | None] = set()
        self._ids = deepcopy(state.ids)
        for noun in ORDER:
            self._look_for_lacking(noun)
        self._name_new_ones()

    def _look_for_lacking(self, noun: Declared) -> None:
        there = {entry.name for entry in self._document.of(noun)}
        for stored in self._state.objects[noun].values():
            if stored.name in there:
                continue
            if not (stored.is_ours and self._asked.prune):
                self.kept.append(Kept(noun, stored.name, stored.is_ours))
                continue
            self._gone.append(_removal(noun, stored))
            if noun in _NAMED:
                self._ids.by_name[_NAMED[noun]].pop(stored.name, None)
            if noun is Declared.POD:
                del self._node_of[stored.object_id]

    def _name_new_ones(self) -> None:
        # Stand-ins from the far end, for rules that ask for ids; real ones are known once they are stored.
        free = MAX_ID
        for noun, what in _NAMED.items():
            known = self._state.objects[noun]
            for entry in self._document.of(noun):
                if entry.name not in known:
                    self._ids.by_name[what][entry.name] = free
                    free -= 1

    def take(self, entry: Entry) -> None:
        """Plan one object, and a pod's checks with it."""
        stored = self._state.objects[entry.noun].get(entry.name)
        if entry.noun is Declared.POLICY and entry.name in self._ids.doubled:
            self._refuse(entry, InputError("name", "there are several policies of this name: rename one of them first"))
            return
        judged = self._judged(entry, stored)
        if judged is None:
            return
        if entry.noun is Declared.POD:
            self._place(stored, judged.rules)
        if entry.noun is Declared.POLICY and judged.rules.is_default:
            self._defaults.append(entry)
        self._add(entry, stored, judged)
        if entry.noun is Declared.POD and entry.checks is not None:
            self._take_checks(entry, stored, judged.rules)

    def _place(self, stored: Stored | None, rules: PodRules) -> None:
        if stored is None:
            self._new_nodes.add(rules.node_id)
        else:
            self._node_of[stored.object_id] = rules.node_id

    def _judged(self, entry: Entry, stored: Stored | None, pod: PodRules | None = None) -> Judged | None:
        try:
            return judge(entry, stored, self._ids, self._asked, pod)
        except InputError as error:
            self._refuse(entry, error)
            return None

    def _refuse(self, entry: Entry, error: InputError) -> None:
        self.faults.append(self._document.fault(place_of(entry.noun, entry.path, error.field), error.message))

    def _add(self, entry: Entry, stored: Stored | None, judged: Judged, pod: Entry | None = None) -> None:
        self.notes += [f"{entry.noun.value} {entry.name}: {note}" for note in judged.notes]
        fields = differences(entry.noun, judged, stored, self._ids)
        if stored is not None and not fields:
            return
        whose = None if pod is None else self._state.objects[Declared.POD].get(pod.name)
        touched = stored if entry.noun is Declared.POD else whose
        change = Change(
            entry.noun,
            Act.ADD if stored is None else Act.CHANGE,
            entry.name,
            fields,
            entry.path,
            None if stored is None else stored.object_id,
            None if stored is None else stored.version,
            judged.wanted,
            None if pod is None else pod.name,
            None if touched is None else touched.object_id,
            judged.rules,
        )
        self.changes.append(change)

    def _take_checks(self, pod: Entry, stored: Stored | None, rules: PodRules) -> None:
        known = {} if stored is None else self._state.checks.get(stored.object_id, {})
        there = {entry.name for entry in pod.checks or ()}
        for entry in pod.checks or ():
            judged = self._judged(entry, known.get(entry.name), rules)
            if judged is not None and not self._is_as_it_comes(entry, known.get(entry.name), judged):
                self._add(entry, known.get(entry.name), judged, pod)
        for one in known.values():
            if one.name in there or one.rules.kind == Kind.RUNNING:
                continue
            if one.is_ours and self._asked.prune and stored is not None:
                self._gone.append(_removal(Declared.CHECK, one)._replace(pod=pod.name, pod_id=stored.object_id))
            else:
                self.kept.append(Kept(Declared.CHECK, f"{pod.name} / {one.name}", one.is_ours))
        if len(there | set(known)) > MOST_CHECKS:
            self._refuse(pod, InputError("checks", f"would leave the pod with more than {MOST_CHECKS} checks"))

    def _is_as_it_comes(self, entry: Entry, stored: Stored | None, judged: Judged) -> bool:
        # A new pod has its check ``running`` from the beginning, switched on.
        return stored is None and judged.rules.kind == Kind.RUNNING and judged.rules.enabled

    def refuse_two_defaults(self) -> None:
        """Refuse a file that wants several policies to be the default: each apply would move it again."""
        for entry in self._defaults[1:]:
            first = self._defaults[0].name
            self._refuse(entry, InputError("isDefault", f"{first} is to be the default already: only one can be"))

    def refuse_used_nodes(self) -> None:
        """Refuse to remove a node on which pods would still stand."""
        used = self._new_nodes | set(self._node_of.values())
        for change in self._gone:
            if change.noun is Declared.NODE and change.object_id in used:
                message = f"{change.name} cannot be removed: pods stand on it that this file does not move"
                self.faults.append(self._document.fault(("nodes",), message))

    def removals(self) -> Iterator[Change]:
        """Return what goes, what names others first."""
        for noun in (Declared.CHANNEL, Declared.WINDOW, Declared.CHECK, Declared.POD, Declared.POLICY, Declared.NODE):
            yield from (change for change in self._gone if change.noun is noun)


def _removal(noun: Declared, stored: Stored) -> Change:
    pod_id = stored.object_id if noun is Declared.POD else None
    made = Change(noun, Act.REMOVE, stored.name, (), object_id=stored.object_id, version=stored.version)
    return made._replace(pod_id=pod_id)
