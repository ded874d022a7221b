"""What PodHealth is proven against, counted: faults injected into real processes and attacks on the running server.

Any test may be a proof: ``@pytest.mark.fault("F64")`` says that it injects that fault of ``faults.FAULTS``,
``@pytest.mark.attack("A41")`` that it tries that attack of ``attacks.ATTACKS``. ``make faults`` and ``make attacks``
run those tests and count (plugin.py): a fault or attack is passed when all its tests passed, and failed when one
failed or when it has none. What cannot be done here is in ``NOT_HERE`` with the reason, listed and counted as neither.
"""
