"""Define columns of the tables that kernels read, and the numbers of choices."""

from triton import language as tl

from sweep.trainer import pixels, units

# choice_table: (K, CHOICE_COLUMNS) int32, what a slot does.
ACTIVATION = tl.constexpr(0)
OUTPUT = tl.constexpr(1)
LOSS = tl.constexpr(2)
OPTIMIZER = tl.constexpr(3)
NESTEROV = tl.constexpr(4)
SCHEDULE = tl.constexpr(5)
N_STEPS = tl.constexpr(6)
N_WARMUP = tl.constexpr(7)
#: Whether the optimizer uses a first, and a second, moment: unused ones are not read.
USES_FIRST = tl.constexpr(8)
USES_SECOND = tl.constexpr(9)
#: Whether a unit that is never above 0 is dead.
CAN_DIE = tl.constexpr(10)
CHOICE_COLUMNS = tl.constexpr(11)

# schedule_table: (K, SCHEDULE_COLUMNS) float64, from which each step's rates are computed.
LEARNING_RATE = tl.constexpr(0)
BETA1 = tl.constexpr(1)
BETA2 = tl.constexpr(2)
DECOUPLED_DECAY = tl.constexpr(3)
MOMENTUM_DECAY = tl.constexpr(4)
#: nadam: the product of the momenta of all previous steps, updated in each step.
MOMENTUM_PRODUCT = tl.constexpr(5)
SCHEDULE_COLUMNS = tl.constexpr(6)

# step_table: (K, STEP_COLUMNS) float32, the rates of the present step.
#: nadam: the size of the gradient's part of a step.
RATE = tl.constexpr(0)
#: adam: rate / (1 - beta1^t). nadam: the size of the momentum's part.
STEP_SIZE = tl.constexpr(1)
#: adam: sqrt(1 - beta2^t).
ROOT_CORRECTION = tl.constexpr(2)
#: adamw: 1 - rate * decay.
KEPT = tl.constexpr(3)
STEP_COLUMNS = tl.constexpr(4)

# optimizer_table: (K, OPTIMIZER_COLUMNS) float32, the same in every step. Complements are computed
# in float64 first: 1 - 0.999 in float32 has an error of 5e-5.
DELTA = tl.constexpr(0)
MOMENTUM = tl.constexpr(1)
ONE_MINUS_BETA1 = tl.constexpr(2)
SECOND_KEPT = tl.constexpr(3)  # beta2, or rmsprop's alpha
SECOND_ADDED = tl.constexpr(4)  # its complement
EPS = tl.constexpr(5)
WEIGHT_DECAY = tl.constexpr(6)
#: A bounded unit is saturated if its input is larger than this.
SATURATED_FROM = tl.constexpr(7)
OPTIMIZER_COLUMNS = tl.constexpr(8)

#: See ``units``: from where an output is saturated, and from which error it is stuck.
OUTPUT_SATURATED_FROM = tl.constexpr(units.OUTPUT_SATURATES_AT)
STUCK_FROM = tl.constexpr(units.STUCK_FROM)

LINEAR = tl.constexpr(0)
RELU = tl.constexpr(1)
LEAKY_RELU = tl.constexpr(2)
ELU = tl.constexpr(3)
GELU = tl.constexpr(4)
SILU = tl.constexpr(5)
TANH = tl.constexpr(6)
SIGMOID = tl.constexpr(7)
MISH = tl.constexpr(8)

BCE = tl.constexpr(0)
MSE = tl.constexpr(1)
L1 = tl.constexpr(2)
HUBER = tl.constexpr(3)

SGD = tl.constexpr(0)
ADAM = tl.constexpr(1)
ADAMW = tl.constexpr(2)
RMSPROP = tl.constexpr(3)
ADAGRAD = tl.constexpr(4)
NADAM = tl.constexpr(5)

CONSTANT = tl.constexpr(0)
COSINE = tl.constexpr(1)
LINEAR_WARMUP = tl.constexpr(2)

# tile_sums: (T, N_TILE_SUMS) float64. The last three count numbers that are not finite.
ENCODER_SQUARES = tl.constexpr(0)
DECODER_SQUARES = tl.constexpr(1)
DEAD = tl.constexpr(2)
SATURATED = tl.constexpr(3)
ENCODER_NOT_FINITE = tl.constexpr(4)
ENCODER_BIAS_NOT_FINITE = tl.constexpr(5)
DECODER_NOT_FINITE = tl.constexpr(6)
N_TILE_SUMS = tl.constexpr(7)

# sums: (K, D tiles, N_SUMS) float64, of the images measured so far.
SQUARES = tl.constexpr(0)
ENTROPY = tl.constexpr(1)
EXACT = tl.constexpr(2)
#: The squares of pixels whose sigmoid output is stuck.
STUCK = tl.constexpr(3)
N_SUMS = tl.constexpr(4)

# value_squares: (K, D tiles, N_VALUES) float64, squared errors on pixels of two values.
BLACK = tl.constexpr(pixels.BLACK)
WHITE = tl.constexpr(pixels.WHITE)
BLACK_SQUARES = tl.constexpr(0)
WHITE_SQUARES = tl.constexpr(1)
N_VALUES = tl.constexpr(2)

# report: (K, N_REPORT) float64, what leaves the device at the end of an epoch. It begins with the
# sums over the slot's tiles, in their order.
DECODER_BIAS_NOT_FINITE = tl.constexpr(7)
TRAIN_LOSS = tl.constexpr(8)
REPORT_SQUARES = tl.constexpr(9)
REPORT_ENTROPY = tl.constexpr(10)
REPORT_EXACT = tl.constexpr(11)
REPORT_STUCK = tl.constexpr(12)
N_REPORT = tl.constexpr(13)
