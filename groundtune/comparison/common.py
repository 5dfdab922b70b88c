"""The settings that all methods of a comparison share, for its page: a figure means nothing without them."""

from collections.abc import Mapping, Sequence
from typing import Any

from groundtune.comparison.methods import SECTIONS
from groundtune.settings import AlignmentScoreSettings, ConfidenceSettings, SamplingSettings, Settings

OF_POOLS: dict[str, type[Settings]] = {
    "sampling": SamplingSettings,
    "alignment": AlignmentScoreSettings,
    "confidence": ConfidenceSettings,
}


def common_settings(
    pools: Mapping[str, Mapping[str, Any]], planned: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Section -> the settings that are no defaults and that every method with that section has alike; seeds are not
    among them. pools: sections of OF_POOLS. planned: methods as `planning.plan` completes them."""
    found = {name: OF_POOLS[name].of(given, name).to_mapping() for name, given in pools.items()}
    for section, kind in SECTIONS.items():  # `of`: KFP's structs make floats of whole numbers
        values = [kind.of(method[section], section).to_mapping() for method in planned if section in method]
        if values:
            found[section] = {
                name: value for name, value in values[0].items() if all(one[name] == value for one in values)
            }
    defaults = {name: kind().to_mapping() for name, kind in {**OF_POOLS, **SECTIONS}.items()}
    told = {
        section: {
            name: value for name, value in values.items() if name != "seed" and value != defaults[section][name]
        }
        for section, values in found.items()
    }
    return {section: values for section, values in told.items() if values}
