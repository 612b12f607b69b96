"""The doctor: what goes wrong in training, read from the recorded graph and said in plain words with what to do.

    loss.backward()
    print(nn.diagnose(model, loss))        # changes nothing: no grad, no data, nothing is recorded

`fit` has it look on by itself, as the callback `Doctor`.

    findings   what it says: Finding, Diagnosis, TrainingWarning
    reading    what it reads: a graph, the names in it, which layer and unit a parameter is of
    checks     gradients, data and steps: a function for each check
    units      dead and saturated hidden units
    origin     where the first inf or NaN began
    watching   Doctor, the callback
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from autograd import Value
from autograd.engine import NOT_COMPUTED
from nn.doctor import checks, units
from nn.doctor.findings import Diagnosis, Finding, TrainingWarning
from nn.doctor.origin import origin_of_nonfinite, origin_of_nonfinite_gradient
from nn.doctor.reading import Case
from nn.doctor.watching import Doctor
from nn.module import Module
from nn.words import counted

__all__ = ["Diagnosis", "Doctor", "Finding", "TrainingWarning", "diagnose", "origin_of_nonfinite"]
__all__ += ["origin_of_nonfinite_gradient"]


def diagnose(model: Module, loss: Value | Sequence[Value]) -> Diagnosis:
    """What is wrong with this model and this loss, in plain words with what to do; it changes nothing.

    model   the network
    loss    its loss, as it was computed from the model's outputs; or several whose gradients were added up on purpose, as
            `fit` does with the examples of a batch. More examples tell more: of dead units nothing can be said from a few

    Call it after `backward()`, before `optimizer.step()` or after it: then it also sees whether the step made the loss
    worse. Before `backward()` it sees the same but for mistakes with gradients.

    Raises TypeError for anything but a Module and Values, ValueError for a model without parameters or for no loss.
    """
    case = Case(model, _roots(model, loss))
    layers, examples = case.layers, case.examples
    absent = list(checks.not_connected(case))
    found = [*absent, *checks.not_finite(case)]
    if any(finding.kind == "not finite" or not finding.where for finding in found):
        return Diagnosis(found, "")  # all else would follow from that
    seen = units.activity(case)
    found += [*checks.gradients_left(case), *checks.data_changed(case), *units.idle(seen, examples)]
    alike = checks.identical_weights(layers, case.fresh)
    found += [finding for finding in alike if finding.where not in [one.where for one in absent]]
    found += checks.gradient_sizes(layers.sizes(case.fresh), layers.sizes([p.data for p in case.parameters]))
    looked_at = (
        f"looked at {counted(len(case.parameters), 'parameter')} in {counted(len(layers.places), 'layer')} and "
        f"{counted(len(case.order), 'node')} of the graph, with {counted(len(seen), 'hidden unit')}"
    )
    if seen and examples < units.ENOUGH:
        looked_at += f" (whether these are dead or saturated takes {units.ENOUGH} examples or more, not {examples})"
    elif usual := [str(layer) for layer in units.by_layer(seen) if layer.flat]:
        looked_at += f" ({', '.join(usual)}, which is usual)"
    if any(root.grad is NOT_COMPUTED for root in case.roots):
        looked_at += "; backward() has not run on this loss, so what the parameters hold as gradients was not judged"
    return Diagnosis(found, looked_at)


def _roots(model: Any, loss: Any) -> list[Value]:
    """The losses as a list, or an error that says what diagnose takes."""
    if not isinstance(model, Module):
        swapped = ": the model comes first" if isinstance(loss, Module) else ""
        raise TypeError(f"diagnose(model, loss) takes a Module and its loss, got {_kind(model)} as model{swapped}")
    roots = list(loss) if isinstance(loss, list | tuple) else [loss]
    for root in roots:
        if not isinstance(root, Value):
            advice = "give what loss(model(example), target) returned"
            if hasattr(root, "__float__"):
                advice = "compute it with Values throughout, not with their .data"
            raise TypeError(
                f"diagnose(model, loss) takes a Value as loss, or a list of them, got {_kind(root)}: {advice}"
            )
    if not roots:
        raise ValueError("diagnose(model, loss) got an empty list of losses: give at least one")
    if not model.parameters():
        raise ValueError(
            f"{type(model).__name__} has no parameters, so there is nothing to train: keep Values in attributes"
        )
    if any(isinstance(x.data, complex) for x in (*roots, *model.parameters())):
        raise TypeError("diagnose(model, loss) compares sizes: it takes real numbers, not complex ones")
    return roots


def _kind(thing: Any) -> str:
    return f"{thing!r:.60} of type {type(thing).__name__}"
