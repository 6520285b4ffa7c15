"""What the benchmarks decide before they measure anything; timings themselves are not tested."""

from benchmarks import train_step


def test_bfloat16_is_left_out_where_the_processor_would_emulate_it():
    with_it, without = train_step.usual_contenders(True), train_step.usual_contenders(False)
    assert set(with_it) - set(without) == {"ours_shared_bfloat16"} and without
    assert train_step.usual_contenders(None) == with_it == list(train_step.CONTENDERS)  # nobody knows: it is tried
