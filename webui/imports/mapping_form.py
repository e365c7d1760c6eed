"""The form of a mapping: what each column of a file means, and what the values of a column of words mean."""

import datetime as dt
from collections.abc import Collection, Mapping as Dict, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple, TypeVar

from flask import render_template, request

from core import reading
from core.db.bounds import BIGINT_MAX
from core.enums.claims import BILLING_STATUSES
from core.enums.practices import PAYER_CLASS_NAMES, PayerClass
from core.intake.mapping import saved_fit, saved_mappings
from core.intake.mapping.date_formats import DateFormat
from core.intake.mapping.field_readers import constant_problems
from core.intake.mapping.mapping import OUR_WORDS, BadMapping, Mapping, Problem
from core.intake.mapping.saved_mappings import MappingNameTaken
from core.intake.mapping.targets import TARGETS, Field, Kind
from core.intake.mapping.words import meaning, payer_class
from core.models.import_mappings import ImportMapping
from webui.shared.labels import day_text

_COLUMNS_MAX: Final = 500  # of a form
_UNDECIDED: Final = "?"  # a word whose meaning the user must choose
_DATE_FIELDS: Final = {field for field, target in TARGETS.items() if target.kind is Kind.DATE}
# A workbook's real dates are read in this format, whatever the sheet shows.
_FORMAT_LABELS: Final = {DateFormat.YMD: "Real dates, or YYYY-MM-DD"}
_CONSTANT_FIELDS: Final = [
    field for field, target in TARGETS.items()
    if target.kind in (Kind.TEXT, Kind.WORD, Kind.DATE) and not target.private
]  # fmt: skip
_Choice = TypeVar("_Choice", bound=StrEnum)


class FormColumn(NamedTuple):
    """A column of the file in the form."""

    header: str
    field: Field | None
    example: str
    date_format: DateFormat | None
    words: Sequence[tuple[str, str]]  # the file's word, and ours or an empty text

    @property
    def choices(self) -> list[tuple[str, str]] | None:
        """Return what a value of the column can mean, or None if its values have no meanings."""
        if self.field not in OUR_WORDS:
            return None
        usual = OUR_WORDS[self.field] or BILLING_STATUSES
        chosen = [ours for _, ours in self.words if ours not in (*usual, _UNDECIDED, "")]
        ours = [*usual, *dict.fromkeys(chosen)]
        return [(_UNDECIDED, "Choose …"), ("", "No value"), *((word, word.replace("_", " ")) for word in ours)]


class FormConstant(NamedTuple):
    """A value that is the same in every row. Without a field, the row of the form is empty."""

    field: Field | None = None
    text: str = ""
    date_format: DateFormat | None = None


@dataclass(frozen=True)
class MappingForm:
    """The content of the form."""

    columns: Sequence[FormColumn] = ()
    constants: Sequence[FormConstant] = ()
    payers: Dict[str, PayerClass] = field(default_factory=dict)  # shown with their classes
    draft: Mapping = field(default_factory=Mapping)
    name: str = ""
    import_id: int | None = None  # the import that waits for the mapping
    mapping_id: int | None = None  # the saved mapping that the form changes
    version: str = ""  # of that mapping
    fault: Problem | None = None  # why the columns do not form a mapping

    def problems(self, *, today: dt.date) -> list[Problem]:
        """Return what must be answered before the mapping can be saved."""
        if self.fault is not None:
            return [self.fault]
        constants = [*self._open_constants(), *constant_problems(self.draft, today=today)]
        return [*self._open_words(), *constants, *self.draft.problems(), *saved_mappings.name_problems(self.name)]

    def _open_words(self) -> list[Problem]:
        found = []
        for one in self.columns:
            words = [word for word, ours in one.words if ours == _UNDECIDED] if one.choices else []
            if words:
                sentence = f"Choose what these values in {one.header} mean: {', '.join(words)}."
                found.append(Problem("unknown_word", sentence, one.field))
        return found

    def _open_constants(self) -> list[Problem]:
        found, seen = [], set[Field]()
        for field_, text, _ in self.constants:
            if field_ is None:
                sentence = f'Choose what "{text}" means, or clear it.' if text else ""
            elif not text:
                sentence = f"Enter the value of {TARGETS[field_].label}, or set its meaning to “Choose …”."
            else:
                twice = (
                    f"{TARGETS[field_].label} is entered twice under “Same value in every row”. Clear one of the two."
                )
                sentence = twice if field_ in seen else ""
                seen.add(field_)
            if sentence:
                found.append(Problem("open_constant", sentence))
        return found

    def show(
        self,
        questions: Sequence[Problem] = (),
        *,
        notes: Sequence[str] = (),
        sheets: Sequence[str] = (),
        refused: bool = False,
    ) -> str:
        """Return the page. `refused`: it was sent, and the questions kept it from being saved."""
        payers = {} if self.draft.has(Field.PAYER_CLASS) else self.payers
        return render_template(
            "import_mappings/form.html",
            form=self,
            mapping=self.draft,
            draft=_rest_of(self.draft, payers).model_dump_json(exclude_defaults=True),
            constants=[*(one for one in self.constants if one != FormConstant()), FormConstant()],
            constant_fields=[("", "Choose …"), *((field.value, TARGETS[field].label) for field in _CONSTANT_FIELDS)],
            payers=payers,
            payer_classes=[(kind.value, name) for kind, name in PAYER_CLASS_NAMES.items()],
            questions=questions,
            refused=refused,
            undecided=_UNDECIDED,
            notes=notes,
            warnings=self.draft.warnings(),
            sheets=[(sheet, sheet) for sheet in sheets],
            fields=[("", "Not imported"), *((field.value, target.label) for field, target in TARGETS.items())],
            formats=[("", "Choose …"), *((one.value, _FORMAT_LABELS.get(one, one.value)) for one in DateFormat)],
            kinds={field: target.kind.value for field, target in TARGETS.items()},
            taken=any(question.code == MappingNameTaken.code for question in questions) and self.mapping_id is None,
        )


def form_of_guess(guess: Dict[str, Any], *, import_id: int | None = None) -> str:
    """Return the form for a guess in JSON form. With an import's ID, that import uses the mapping once it is saved."""
    form = _filled(guess, name=guess.get("mapping_name") or "", import_id=import_id)
    return form.show([Problem(**one) for one in guess["questions"]], notes=guess["notes"], sheets=guess["sheets"])


def form_of_saved(saved: ImportMapping) -> str:
    """Return the form that changes a saved mapping."""
    mapping = Mapping.of(saved.mapping)
    facts = {"name": saved.name, "mapping_id": saved.id, "version": saved_mappings.version_of(mapping)}
    return _filled(saved_fit.without_file(mapping).facts(), **facts).show()


def typed_form() -> MappingForm:
    """Return the form as sent, with its fault if its columns do not form a mapping. Raise `BadMapping`."""
    columns, constants, payers, fault = _typed_columns(), _typed_constants(), _typed_payers(), None
    import_id, mapping_id = (
        reading.number(request.form.get(name, ""), most=BIGINT_MAX) for name in ("import_id", "mapping_id")
    )
    try:
        draft = _typed_mapping(columns, constants, payers)
    except BadMapping as refusal:
        draft, fault = _typed_mapping((), (), {}), Problem(refusal.code, refusal.message)
    name, version = (request.form.get(field, "") for field in ("name", "version"))
    return MappingForm(columns, constants, payers, draft, name, import_id, mapping_id, version, fault)


def _filled(guess: Dict[str, Any], **facts: Any) -> MappingForm:
    draft = Mapping.of(guess["mapping"])
    columns = [_form_column(one, draft, guess["words"]) for one in guess["columns"]]
    constants = [FormConstant(field, text, draft.dates.get(field)) for field, text in draft.constants.items()]
    # An import that an earlier version staged has no list of payers.
    payers = {name: draft.payer_classes.get(name) or payer_class(name) for name in guess.get("payers", ())}
    return MappingForm(columns, constants, payers, draft, **facts)


def _form_column(column: Dict[str, Any], draft: Mapping, words: Dict[str, Sequence[str]]) -> FormColumn:
    field = Field(column["field"]) if column["field"] else None
    if field is None:
        return FormColumn(column["header"], None, "", None, ())
    ours = draft.words.get(field, {})
    seen = [(word, ours.get(word, _UNDECIDED)) for word in words.get(field, ())]
    return FormColumn(column["header"], field, day_text(column["example"]), draft.dates.get(field), seen)


def _rest_of(draft: Mapping, payers: Collection[str]) -> Mapping:
    """Return only what the form does not show: sheet, encoding, words of constants, and classes of other `payers`."""
    words = {field: ours for field, ours in draft.words.items() if field in draft.constants}
    classes = {name: kind for name, kind in draft.payer_classes.items() if name not in payers}
    return Mapping(sheet=draft.sheet, encoding=draft.encoding, words=words, payer_classes=classes)


def _typed_columns() -> list[FormColumn]:
    """Return the columns of the form as sent. Raise `BadMapping`."""
    form, columns = request.form, []
    for index in range(_COLUMNS_MAX):
        header = form.get(f"header-{index}")
        if header is None:
            break
        field = _one_of(Field, f"field-{index}", header)
        written = _one_of(DateFormat, f"date-{index}", header)
        words = list(zip(form.getlist(f"word-{index}"), form.getlist(f"ours-{index}"), strict=False))
        if field in OUR_WORDS and form.get(f"was-{index}", field) != field:
            words = [(word, _usual_meaning(field, word)) for word, _ in words]
        columns.append(FormColumn(header, field, form.get(f"example-{index}", ""), written, words))
    return columns


def _typed_constants() -> list[FormConstant]:
    """Return the values that are the same in every row, as sent. Raise `BadMapping`."""
    rows = []
    for index in range(len(Field)):
        text = request.form.get(f"constant-{index}")
        if text is None:
            break
        written = _one_of(DateFormat, f"constant-date-{index}", text)
        rows.append(FormConstant(_one_of(Field, f"constant-field-{index}", text), text.strip(), written))
    return [one for one in rows if one != FormConstant()]


def _typed_payers() -> dict[str, PayerClass]:
    """Return the payers of the form with their classes. Raise `BadMapping`."""
    classes = {}
    for index, name in enumerate(request.form.getlist("payer")):
        classes[name] = _one_of(PayerClass, f"class-{index}", name) or payer_class(name)
    return classes


def _one_of(kind: type[_Choice], key: str, what: str) -> _Choice | None:
    """Return the choice in a field of the form, or None if it is empty. Raise `BadMapping`."""
    try:
        return kind(request.form[key]) if request.form.get(key) else None
    except ValueError:
        raise BadMapping(f'Choose a value for "{what[:60]}" from the list.') from None


def _usual_meaning(field: Field, word: str) -> str:
    found = meaning(field, word)
    return _UNDECIDED if found is None else found


def _typed_mapping(
    columns: Sequence[FormColumn], constants: Sequence[FormConstant], payers: Dict[str, PayerClass]
) -> Mapping:
    """Return the mapping of the form, without words that have no meaning yet. Raise `BadMapping`."""
    draft: Dict[str, Any] = Mapping.of(request.form.get("draft") or "{}").as_json()
    dated = [(one.field, one.date_format) for group in (columns, constants) for one in group]
    given = {
        **draft,
        "rows": request.form.get("rows", "claim"),
        "columns": {one.header: one.field for one in columns if one.field},
        "not_imported": [one.header for one in columns if one.field is None],
        "constants": {one.field: one.text for one in constants if one.field and one.text},
        "dates": {field: written for field, written in dated if field in _DATE_FIELDS and written},
        "payer_classes": draft.get("payer_classes", {})
        | {name: kind for name, kind in payers.items() if kind is not payer_class(name)},
        "words": draft.get("words", {})
        | {
            one.field: {word: ours for word, ours in one.words if ours != _UNDECIDED}
            for one in columns
            if one.field in OUR_WORDS and one.words
        },
        "payments_below_zero": "payments_below_zero" in request.form,
        "adjustments_below_zero": "adjustments_below_zero" in request.form,
        "credit_words": "credit_words" in request.form,
        "post_difference": "post_difference" in request.form,
    }
    return Mapping.of(given)
