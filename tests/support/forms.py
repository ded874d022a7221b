"""What stands in a form that a page answered: its values, and what it says was refused."""

import html
import re


def refused(text: str) -> dict[str, str]:
    """The fields that the page marks as refused, by id, with the message beside each; both must name each other."""
    beside = dict(re.findall(r'<p class="field-error"\s+id="(\S+)-error">.*?<span>(.*?)</span>', text, re.S))
    for field in beside:
        tag = re.search(rf'<(?:input|select|textarea|fieldset)[^>]*\sid="{field}"[^>]*>', text)
        assert tag, f"no element for the message of {field}"
        assert re.search(rf'aria-describedby="[^"]*\b{field}-error"', tag[0]), tag[0]
        assert 'aria-invalid="true"' in tag[0]
        assert f'<a href="#{field}">' in text, f"the summary does not lead to {field}"
    return {field: html.unescape(said) for field, said in beside.items()}


def value_of(text: str, field: str) -> str | None:
    tag = re.search(rf'<input[^>]*\sid="{field}"[^>]*>', text)
    assert tag, field
    value = re.search(r'\svalue="([^"]*)"', tag[0])
    return html.unescape(value[1]) if value else None


def hidden(text: str, name: str) -> str:
    """The value of a hidden field."""
    found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)">', text)
    assert found, name
    return html.unescape(found[1])
