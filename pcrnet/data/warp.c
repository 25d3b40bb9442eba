/* Augmentation of visits on a CPU: pcrnet/data/warp_compiled.py compiles it and says what it is given.
 *
 * A column of voxels is bent, looked for, weighed, sampled, amplified and made noisy while it lies in
 * the first cache. All is rounded where the operations of pcrnet/data/warp.py and augment.py round, so
 * that both give the same bits on a processor that multiplies and adds in one step.
 *
 * Shapes: B patients of T visits, N = B·T, C channels, X Y Z voxels, V = X·Y·Z, n control points along
 * each axis. A row holds the C channels of a voxel; rows stand in the order of voxels, so that the row
 * behind one is that of its neighbour along z.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__F16C__)
#include <immintrin.h>
#endif

#define LANES 8

#if defined(__FP_FAST_FMAF) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define FUSED(a, b, c) __builtin_fmaf((a), (b), (c))
#else /* in software it would take longer than all the rest */
#define FUSED(a, b, c) ((a) * (b) + (c))
#endif

typedef float lanes __attribute__((vector_size(4 * LANES)));
typedef int32_t bits __attribute__((vector_size(4 * LANES)));

static inline lanes load(const float *from)
{
    lanes values;
    memcpy(&values, from, sizeof values);
    return values;
}

static inline void store(float *to, lanes values) { memcpy(to, &values, sizeof values); }

/* The same of some values: a whole number of bytes that the compiler knows is one instruction. */
static inline lanes load_some(const float *from, int some)
{
    lanes values = {0};
    if (some == LANES)
        return load(from);
    memcpy(&values, from, some * sizeof(float));
    return values;
}

static inline void store_some(float *to, lanes values, int some)
{
    if (some == LANES)
        store(to, values);
    else
        memcpy(to, &values, some * sizeof(float));
}

static inline lanes in_all(float value)
{
    return (lanes){value, value, value, value, value, value, value, value};
}

static inline lanes fused(lanes a, lanes b, lanes c)
{
    lanes result;
    for (int i = 0; i < LANES; i++)
        result[i] = FUSED(a[i], b[i], c[i]);
    return result;
}

static inline bits whole(lanes values) { return __builtin_convertvector(values, bits); }

static inline lanes number(bits values) { return __builtin_convertvector(values, lanes); }

static inline lanes choose(bits mask, lanes yes, lanes no)
{
    return (lanes)(((bits)yes & mask) | ((bits)no & ~mask));
}

/* Rows become columns: pairs, then quarters, then halves change places. */
static inline void transpose(lanes *block)
{
    lanes pairs[LANES], quarters[LANES];
    for (int i = 0; i < LANES; i += 2) {
        lanes a = block[i], b = block[i + 1];
        pairs[i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
        pairs[i + 1] = __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    }
    for (int i = 0; i < LANES; i += 4)
        for (int j = 0; j < 2; j++) {
            lanes a = pairs[i + j], b = pairs[i + 2 + j];
            quarters[i + 2 * j] = __builtin_shufflevector(a, b, 0, 1, 8, 9, 4, 5, 12, 13);
            quarters[i + 2 * j + 1] = __builtin_shufflevector(a, b, 2, 3, 10, 11, 6, 7, 14, 15);
        }
    for (int i = 0; i < LANES / 2; i++) {
        lanes a = quarters[i], b = quarters[LANES / 2 + i];
        block[i] = __builtin_shufflevector(a, b, 0, 1, 2, 3, 8, 9, 10, 11);
        block[LANES / 2 + i] = __builtin_shufflevector(a, b, 4, 5, 6, 7, 12, 13, 14, 15);
    }
}

/* So many numbers, and nothing up to a multiple of LANES. */
static inline size_t padded(int numbers)
{
    return (size_t)(numbers + LANES - 1) / LANES * LANES;
}

#define load_single load

static inline lanes load_half(const _Float16 *from)
{
    lanes values;
#if defined(__F16C__) /* of which gcc would make eight conversions */
    values = (lanes)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)from));
#else
    for (int i = 0; i < LANES; i++)
        values[i] = (float)from[i];
#endif
    return values;
}

/* The rows of one visit. The last block of a row spills into the next, which is written after it. */
#define DEFINE_ROWS(name, type)                                                                \
    static void rows_of_##name(const type *restrict image, float *restrict rows, int channels,           \
                     size_t voxels)                                                            \
    {                                                                                          \
        for (size_t voxel = 0; voxel < voxels; voxel += LANES) {                               \
            int some = voxels - voxel < LANES ? (int)(voxels - voxel) : LANES;                 \
            for (int first = (channels - 1) / LANES * LANES; first >= 0; first -= LANES) {     \
                lanes block[LANES];                                                            \
                for (int c = 0; c < LANES; c++) {                                              \
                    block[c] = in_all(0.0f);                                                   \
                    if (first + c >= channels)                                                 \
                        continue;                                                              \
                    const type *from = image + (size_t)(first + c) * voxels + voxel;           \
                    if (some == LANES) {                                                       \
                        block[c] = load_##name(from);                                          \
                    } else                                                                     \
                        for (int i = 0; i < some; i++)                                         \
                            block[c][i] = (float)from[i];                                      \
                }                                                                              \
                transpose(block);                                                              \
                for (int i = 0; i < some; i++)                                                 \
                    store(rows + (voxel + i) * channels + first, block[i]);                    \
            }                                                                                  \
        }                                                                                      \
    }

DEFINE_ROWS(half, _Float16)
DEFINE_ROWS(single, float)

/* What all visits share; the names and shapes are those of warp_compiled.py. */
struct work {
    const void *image;         /* (N, C, X, Y, Z), half or single */
    const float *moves;        /* (N, 3, 4), in voxels */
    const float *bend;         /* (B, n, n, row), rows of the (3, n) displacements; or null */
    const float *across_x;     /* (X, n), what voxels across x take of each control point */
    const float *across_y;     /* (Y, n) */
    const float *across_z;     /* (n, row of Z) */
    const float *last;         /* (3,), the largest place along each axis */
    const float *gain;         /* (N, C); or null */
    const float *noise;        /* a row of normal numbers; or null */
    const int64_t *noise_from; /* (B,), where those of a patient begin, (T, C, X, Y, Z) */
    const uint8_t *grows;      /* (C,), whether noise grows with the value */
    float *out;                /* (N, C, X, Y, Z) */
    float amount;              /* of noise */
    int32_t half, visits_of_patient, nodes, channels, width, height, depth;
};

/* The sum of n rows, each by its share, one after the other; LANES of it. */
static inline lanes mixed(const float *shares, const float *rows, int n, size_t length)
{
    lanes sum = in_all(0.0f);
    for (int k = 0; k < n; k++)
        sum = fused(in_all(shares[k]), load(rows + k * length), sum);
    return sum;
}

static inline void mix(const float *shares, const float *rows, int n, size_t length, float *sum)
{
    for (size_t i = 0; i < length; i += LANES)
        store(sum + i, mixed(shares, rows + i, n, length));
}

/* Neighbours of LANES voxels of a column. */
struct neighbours {
    int32_t index[LANES];     /* of the voxel below */
    float across[4][LANES];   /* shares of the four across x and y */
    float along[LANES];       /* share along z of the one behind; less one where it is the nearer */
    int32_t below[LANES];     /* all bits set where the one below is the nearer */
};

/* Where they look along one axis, from 0 to last; what is no number looks at 0. */
static inline lanes look(const float *move, int x, int y, lanes z, lanes bent, int bends, float last)
{
    lanes place = in_all((move[3] + move[0] * (float)x) + move[1] * (float)y) + in_all(move[2]) * z;
    if (bends)
        place += bent;
    place = choose(place > 0.0f, place, in_all(0.0f));
    return choose(place > last, in_all(last), place);
}

static inline void weigh(lanes x, lanes y, lanes z, int height, int depth, struct neighbours *found)
{
    bits whole_x = whole(x), whole_y = whole(y), whole_z = whole(z);
    lanes share_x = x - number(whole_x), share_y = y - number(whole_y);
    lanes share_z = z - number(whole_z), product = share_x * share_y, rest = share_y - product;
    bits index = (whole_x * height + whole_y) * depth + whole_z, below = share_z < 0.5f;
    lanes only_x = share_x - product, none = (in_all(1.0f) - share_x) - rest;
    lanes along = choose(below, share_z, share_z - 1.0f);
    memcpy(found->index, &index, sizeof index);
    store(found->across[0], none);
    store(found->across[1], rest);
    store(found->across[2], only_x);
    store(found->across[3], product);
    store(found->along, along);
    memcpy(found->below, &below, sizeof below);
}

/* LANES channels of one voxel: its neighbours across at z and behind it, then along z. */
static inline lanes blend(const float *row, size_t along_x, size_t along_y, size_t along_z,
                          const struct neighbours *at, int i)
{
    const float *beyond = row + along_x;
    lanes near = in_all(0.0f), far = near, weight = in_all(at->across[0][i]);
    near = fused(weight, load(row), near);
    far = fused(weight, load(row + along_z), far);
    weight = in_all(at->across[1][i]);
    near = fused(weight, load(row + along_y), near);
    far = fused(weight, load(row + along_y + along_z), far);
    weight = in_all(at->across[2][i]);
    near = fused(weight, load(beyond), near);
    far = fused(weight, load(beyond + along_z), far);
    weight = in_all(at->across[3][i]);
    near = fused(weight, load(beyond + along_y), near);
    far = fused(weight, load(beyond + along_y + along_z), far);
    int32_t below = at->below[i];
    bits mask = {below, below, below, below, below, below, below, below};
    return fused(in_all(at->along[i]), far - near, choose(mask, near, far));
}

/* Noise in what the network sees of a value: the logarithm of 1 + a value with which it grows. */
static inline lanes noisy(lanes value, lanes numbers, float amount, int grows)
{
    if (!grows)
        return fused(numbers, in_all(amount), value);
    lanes scale = choose(value > 0.0f, value, in_all(0.0f)) + 1.0f;
    return fused(in_all(amount) * numbers, scale, value);
}

/* Numbers of scratch that augment_visits writes to: rows, and displacements within a plane. */
size_t scratch_floats(int channels, int width, int height, int depth, int nodes)
{
    return (size_t)width * height * depth * channels + channels + 2 * LANES
           + padded(3 * nodes) * (nodes + 1);
}

/* Visits first to end. Visits of a patient lie side by side; X, Y and Z are at least 2. */
void augment_visits(const struct work *work, int first, int end, float *scratch)
{
    int width = work->width, height = work->height, depth = work->depth, n = work->nodes;
    int channels = work->channels;
    size_t voxels = (size_t)width * height * depth, of_visit = voxels * channels;
    size_t along_z = channels, along_y = along_z * depth, along_x = along_y * height;
    size_t of_line = padded(3 * n), of_column = padded(depth);
    float *rows = scratch, *plane = rows + of_visit + channels + 2 * LANES, *line = plane + of_line * n;
    lanes steps = {0, 1, 2, 3, 4, 5, 6, 7};
    for (int visit = first; visit < end; visit++) {
        int patient = visit / work->visits_of_patient, own = visit % work->visits_of_patient;
        const float *move = work->moves + 12 * (size_t)visit;
        const float *bend = work->bend ? work->bend + patient * n * n * of_line : NULL;
        const float *gain = work->gain ? work->gain + (size_t)visit * channels : NULL;
        const float *noise
            = work->noise ? work->noise + work->noise_from[patient] + of_visit * own : NULL;
        float *out = work->out + of_visit * visit;
        if (work->half)
            rows_of_half((const _Float16 *)work->image + of_visit * visit, rows, channels, voxels);
        else
            rows_of_single((const float *)work->image + of_visit * visit, rows, channels, voxels);
        for (int x = 0; x < width; x++) {
            if (bend)
                mix(work->across_x + x * n, bend, n, of_line * n, plane);
            for (int y = 0; y < height; y++) {
                if (bend)
                    mix(work->across_y + y * n, plane, n, of_line, line);
                for (int z = 0; z < depth; z += LANES) {
                    struct neighbours found;
                    lanes looks[3];
                    for (int axis = 0; axis < 3; axis++) {
                        lanes bent = in_all(0.0f);
                        if (bend)
                            bent = mixed(line + axis * n, work->across_z + z, n, of_column);
                        looks[axis] = look(move + 4 * axis, x, y, steps + (float)z, bent,
                                           bend != NULL, work->last[axis]);
                    }
                    weigh(looks[0], looks[1], looks[2], height, depth, &found);
                    size_t start = ((size_t)x * height + y) * depth + z;
                    int some = depth - z < LANES ? depth - z : LANES;
                    for (int block = 0; block < channels; block += LANES) {
                        lanes seen[LANES];
                        for (int i = 0; i < LANES; i++)
                            seen[i] = in_all(0.0f);
                        for (int i = 0; i < some; i++)
                            seen[i] = blend(rows + found.index[i] * along_z + block, along_x,
                                            along_y, along_z, &found, i);
                        transpose(seen);
                        for (int c = block; c < channels && c < block + LANES; c++) {
                            lanes value = seen[c - block];
                            if (gain)
                                value *= in_all(gain[c]);
                            if (noise)
                                value = noisy(value, load_some(noise + c * voxels + start, some),
                                              work->amount, work->grows[c]);
                            store_some(out + c * voxels + start, value, some);
                        }
                    }
                }
            }
        }
    }
}
