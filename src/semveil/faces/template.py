# SPDX-License-Identifier: Apache-2.0
"""Position of the face in an aligned image: the template shared by alignment, recognition and detection."""

import numpy as np

# Mean position of dlib's five points on 991 of the 1,000 CelebAMask-HQ photos, in units of the crop's side:
# outer and inner corner of the eye on the image's right, the same on its left, base of the nose.
TEMPLATE = np.array(
    [[0.6681, 0.4811], [0.5704, 0.4873], [0.3296, 0.4799], [0.4269, 0.4869], [0.4969, 0.6705]]
)

# Eyes, nose and mouth of an aligned face lie in this ellipse: centre (x, y) and half axes, in units of the
# crop's side.
FEATURES = ((0.5, 0.61), (0.21, 0.22))
