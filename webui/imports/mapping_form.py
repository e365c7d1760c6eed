"""The form of a mapping: what each column of a file means, and what the values of a column of words mean."""

from collections.abc import Mapping as Dict, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from flask import render_template, request

from core import reading
from core.db.base import BIGINT_MAX
from core.intake.mapping import saved_fit, saved_mappings
from core.intake.mapping.date_formats import DateFormat
from core.intake.mapping.mapping import OUR_WORDS, BadMapping, Mapping, Problem
from core.intake.mapping.saved_mappings import MappingNameTaken
from core.intake.mapping.targets import TARGETS, Field, Kind
from core.intake.mapping.words import meaning
from core.models.claims import BILLING_STATUSES
from core.models.import_mappings import ImportMapping
from webui.shared.labels import day_text

_COLUMNS_MAX: Final = 500  # of a form
_UNDECIDED: Final = "?"  # a word whose meaning the user must choose


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


@dataclass(frozen=True)
class MappingForm:
    """The content of the form."""

    columns: Sequence[FormColumn] = ()
    draft: Mapping = field(default_factory=Mapping)
    name: str = ""
    import_id: int | None = None  # the import that waits for the mapping
    mapping_id: int | None = None  # the saved mapping that the form changes
    version: str = ""  # of that mapping
    fault: Problem | None = None  # why the columns do not form a mapping

    def problems(self) -> list[Problem]:
        """Return what must be answered before the mapping can be saved."""
        if self.fault is not None:
            return [self.fault]
        words = [word for one in self.columns if one.choices for word, ours in one.words if ours == _UNDECIDED]
        is_open = [Problem("unknown_word", f"Choose what these values mean: {', '.join(words)}.")] if words else []
        return [*is_open, *self.draft.problems()]

    def show(self, questions: Sequence[Problem] = (), *, notes: Sequence[str] = (), sheets: Sequence[str] = ()) -> str:
        """Return the page."""
        return render_template(
            "import_mappings/form.html",
            form=self,
            mapping=self.draft,
            draft=_rest_of(self.draft).model_dump_json(exclude={"columns", "not_imported"}, exclude_defaults=True),
            questions=questions,
            notes=notes,
            warnings=self.draft.warnings(),
            sheets=[(sheet, sheet) for sheet in sheets],
            fields=[("", "Not imported"), *((field.value, target.label) for field, target in TARGETS.items())],
            formats=[("", "Choose …"), *((one.value, one.value) for one in DateFormat)],
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
    columns, fault = _typed_columns(), None
    import_id, mapping_id = (
        reading.number(request.form.get(name, ""), most=BIGINT_MAX) for name in ("import_id", "mapping_id")
    )
    try:
        draft = _typed_mapping(columns)
    except BadMapping as refusal:
        draft, fault = _typed_mapping(()), Problem(refusal.code, refusal.message)
    name, version = (request.form.get(field, "") for field in ("name", "version"))
    return MappingForm(columns, draft, name, import_id, mapping_id, version, fault)


def _filled(guess: Dict[str, Any], **facts: Any) -> MappingForm:
    draft = Mapping.of(guess["mapping"])
    return MappingForm([_form_column(one, draft, guess["words"]) for one in guess["columns"]], draft, **facts)


def _form_column(column: Dict[str, Any], draft: Mapping, words: Dict[str, Sequence[str]]) -> FormColumn:
    field = Field(column["field"]) if column["field"] else None
    if field is None:
        return FormColumn(column["header"], None, "", None, ())
    ours = draft.words.get(field, {})
    seen = [(word, ours.get(word, _UNDECIDED)) for word in words.get(field, ())]
    return FormColumn(column["header"], field, day_text(column["example"]), draft.dates.get(field), seen)


def _rest_of(draft: Mapping) -> Mapping:
    """Return the mapping with only the dates and words that no column of the form shows."""
    fields = set(draft.constants)
    dates = {field: one for field, one in draft.dates.items() if field in fields}
    return draft.model_copy(
        update={"dates": dates, "words": {field: one for field, one in draft.words.items() if field in fields}}
    )


def _typed_columns() -> list[FormColumn]:
    """Return the columns of the form as sent. Raise `BadMapping`."""
    form, columns = request.form, []
    for index in range(_COLUMNS_MAX):
        header = form.get(f"header-{index}")
        if header is None:
            break
        try:
            field = Field(form[f"field-{index}"]) if form.get(f"field-{index}") else None
            written = DateFormat(form[f"date-{index}"]) if form.get(f"date-{index}") else None
        except ValueError:
            raise BadMapping(f'Choose a meaning for the column "{header[:60]}" from the list.') from None
        words = list(zip(form.getlist(f"word-{index}"), form.getlist(f"ours-{index}"), strict=False))
        if field in OUR_WORDS and form.get(f"was-{index}", field) != field:
            words = [(word, _usual_meaning(field, word)) for word, _ in words]
        columns.append(FormColumn(header, field, form.get(f"example-{index}", ""), written, words))
    return columns


def _usual_meaning(field: Field, word: str) -> str:
    found = meaning(field, word)
    return _UNDECIDED if found is None else found


def _typed_mapping(columns: Sequence[FormColumn]) -> Mapping:
    """Return the mapping of the form, without words that have no meaning yet. Raise `BadMapping`."""
    draft: Dict[str, Any] = Mapping.of(request.form.get("draft") or "{}").as_json()
    given = {
        **draft,
        "rows": request.form.get("rows", "claim"),
        "columns": {one.header: one.field for one in columns if one.field},
        "not_imported": [one.header for one in columns if one.field is None],
        "dates": draft.get("dates", {})
        | {
            one.field: one.date_format
            for one in columns
            if one.field and one.date_format and TARGETS[one.field].kind is Kind.DATE
        },
        "words": draft.get("words", {})
        | {
            one.field: {word: ours for word, ours in one.words if ours != _UNDECIDED}
            for one in columns
            if one.field in OUR_WORDS and one.words
        },
        "payments_below_zero": "payments_below_zero" in request.form,
        "adjustments_below_zero": "adjustments_below_zero" in request.form,
        "post_difference": "post_difference" in request.form,
    }
    return Mapping.of(given)
