"""A grid of one hand-made pattern, for the test that the axes are not swapped."""

import numpy as np

from headlab.measuring.pictures import Pictures, quantised
from headlab.measuring.reading import Reading
from headlab.ui.components.head_grid import GridView, head_grid

# token 3 looks at token 1 and at nothing else; every other token looks at itself
pattern = np.eye(5, dtype=np.float32)
pattern[3] = 0
pattern[3, 1] = 1
shares = {"first": 0.0, "current": 1.0, "previous": 0.0, "local": 0.0, "far": 0.0}
reading = Reading(
    model_name="by hand",
    start_token=None,
    start_text=None,
    text="zero one two three four",
    tokens=[0, 1, 2, 3, 4],
    token_texts=["zero", " one", " two", " three", " <b>four</b>"],
    layers=(0,),
    patterns=pattern[None, None],
    scores={},
    chance={},
    rows={},
    shares={shape: np.full((1, 1), share) for shape, share in shares.items()},
    entropy=np.zeros((1, 1)),
)
rows, columns = np.tril_indices(5)
pictures = Pictures(quantised(pattern[rows, columns])[None, None], side=5, pool=1)
head_grid(reading, pictures, GridView(0, None))
