/* The warp of visits on a CPU: pcrnet/data/warp_compiled.py compiles it and says what it is given.
 *
 * It rounds where the operations of pcrnet/data/warp.py do, so that both give the same bits on a
 * processor that multiplies and adds in one step.
 *
 * Shapes: N visits, C channels, X Y Z voxels, V = X·Y·Z. A row holds the C channels of a voxel; rows
 * stand in the order of voxels, so that the row behind one is that of its neighbour along z.
 */

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define LANES 8

#if defined(__FP_FAST_FMAF) || defined(__FMA__) || defined(__ARM_FEATURE_FMA)
#define FUSED(a, b, c) __builtin_fmaf((a), (b), (c))
#else /* in software it would take longer than all the rest */
#define FUSED(a, b, c) ((a) * (b) + (c))
#endif

typedef float lanes __attribute__((vector_size(4 * LANES)));

static inline lanes load(const float *from)
{
    lanes values;
    memcpy(&values, from, sizeof values);
    return values;
}

static inline void store(float *to, lanes values) { memcpy(to, &values, sizeof values); }

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

/* The rows of one visit. The last block of a row spills into the next, which is written after it. */
#define DEFINE_ROWS(name, type)                                                                \
    static void name(const type *restrict image, float *restrict rows, int channels,           \
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
                    if (some == LANES)                                                         \
                        for (int i = 0; i < LANES; i++)                                        \
                            block[c][i] = (float)from[i];                                      \
                    else                                                                       \
                        for (int i = 0; i < some; i++)                                         \
                            block[c][i] = (float)from[i];                                      \
                }                                                                              \
                transpose(block);                                                              \
                for (int i = 0; i < some; i++)                                                 \
                    store(rows + (voxel + i) * channels + first, block[i]);                    \
            }                                                                                  \
        }                                                                                      \
    }

DEFINE_ROWS(rows_of_half, _Float16)
DEFINE_ROWS(rows_of_single, float)

/* Where the voxels of a column look along one axis, from 0 to last; what is no number looks at 0. */
static void look(const float *restrict move, const float *restrict bend, int x, int y, int depth,
                 float last, float *restrict places)
{
    float plane = (move[3] + move[0] * (float)x) + move[1] * (float)y, step = move[2];
    for (int z = 0; z < depth; z++)
        places[z] = plane + step * (float)z;
    if (bend)
        for (int z = 0; z < depth; z++)
            places[z] += bend[z];
    for (int z = 0; z < depth; z++) {
        float place = places[z] > 0.0f ? places[z] : 0.0f;
        places[z] = place > last ? last : place;
    }
}

/* The nearest voxel below each place, the shares of its four neighbours across, and that along z. */
static void weigh(const float *restrict of_x, const float *restrict of_y, float *restrict of_z,
                  float *restrict weights, int32_t *restrict index, int height, int depth)
{
    float *restrict none = weights, *restrict only_y = weights + depth;
    float *restrict only_x = weights + 2 * depth, *restrict both = weights + 3 * depth;
    for (int z = 0; z < depth; z++) {
        int32_t x = (int32_t)of_x[z], y = (int32_t)of_y[z], below = (int32_t)of_z[z];
        float share_x = of_x[z] - (float)x, share_y = of_y[z] - (float)y;
        float product = share_x * share_y, rest = share_y - product;
        of_z[z] -= (float)below;
        index[z] = (x * height + y) * depth + below;
        both[z] = product;
        only_x[z] = share_x - product;
        only_y[z] = rest;
        none[z] = (1.0f - share_x) - rest;
    }
}

/* Eight channels of one voxel: its neighbours across at z and behind it, then along z. */
static inline lanes blend(const float *row, size_t along_x, size_t along_y, size_t along_z,
                          const float *weights, int depth, float share)
{
    const float *beyond = row + along_x;
    lanes near = in_all(0.0f), far = near, weight = in_all(weights[0]);
    near = fused(weight, load(row), near);
    far = fused(weight, load(row + along_z), far);
    weight = in_all(weights[depth]);
    near = fused(weight, load(row + along_y), near);
    far = fused(weight, load(row + along_y + along_z), far);
    weight = in_all(weights[2 * depth]);
    near = fused(weight, load(beyond), near);
    far = fused(weight, load(beyond + along_z), far);
    weight = in_all(weights[3 * depth]);
    near = fused(weight, load(beyond + along_y), near);
    far = fused(weight, load(beyond + along_y + along_z), far);
    return share < 0.5f ? fused(in_all(share), far - near, near)
                        : fused(in_all(share - 1.0f), far - near, far);
}

/* Numbers of scratch that warp_visits writes to: rows, and what is known of one column. */
size_t scratch_floats(int channels, int width, int height, int depth)
{
    return (size_t)width * height * depth * channels + channels + 2 * LANES + 8 * (size_t)depth;
}

/* Visits first to end of image (N, C, X, Y, Z), half or single, into out (N, C, X, Y, Z). Each moves
 * by moves (N, 3, 4) and bend (B, 3, X, Y, Z), both in voxels; bend may be null, and visits of a
 * patient lie side by side. last: largest place along each axis. X, Y and Z are at least 2.
 */
void warp_visits(const void *image, int half, const float *moves, const float *bend,
                 const float *last, int visits_of_patient, int first, int end, int channels,
                 int width, int height, int depth, float *scratch, float *out)
{
    size_t voxels = (size_t)width * height * depth, of_visit = voxels * channels;
    size_t along_z = channels, along_y = along_z * depth, along_x = along_y * height;
    float *rows = scratch, *of_x = rows + of_visit + channels + 2 * LANES;
    float *of_y = of_x + depth, *of_z = of_y + depth, *weights = of_z + depth;
    int32_t *index = (int32_t *)(weights + 4 * depth);
    for (int visit = first; visit < end; visit++) {
        const float *move = moves + 12 * (size_t)visit;
        const float *own = bend ? bend + 3 * voxels * (visit / visits_of_patient) : NULL;
        float *to = out + of_visit * visit;
        if (half)
            rows_of_half((const _Float16 *)image + of_visit * visit, rows, channels, voxels);
        else
            rows_of_single((const float *)image + of_visit * visit, rows, channels, voxels);
        for (int column = 0; column < width * height; column++) {
            int x = column / height, y = column % height;
            size_t start = (size_t)column * depth;
            const float *bent = own ? own + start : NULL;
            look(move, bent, x, y, depth, last[0], of_x);
            look(move + 4, bent ? bent + voxels : NULL, x, y, depth, last[1], of_y);
            look(move + 8, bent ? bent + 2 * voxels : NULL, x, y, depth, last[2], of_z);
            weigh(of_x, of_y, of_z, weights, index, height, depth);
            for (int z = 0; z < depth; z += LANES) {
                int some = depth - z < LANES ? depth - z : LANES;
                for (int block = 0; block < channels; block += LANES) {
                    lanes seen[LANES];
                    for (int i = 0; i < LANES; i++)
                        seen[i] = in_all(0.0f);
                    for (int i = 0; i < some; i++)
                        seen[i] = blend(rows + (size_t)index[z + i] * channels + block, along_x,
                                        along_y, along_z, weights + z + i, depth, of_z[z + i]);
                    transpose(seen);
                    for (int c = block; c < channels && c < block + LANES; c++) {
                        float *there = to + (size_t)c * voxels + start + z;
                        if (some == LANES)
                            store(there, seen[c - block]);
                        else
                            memcpy(there, &seen[c - block], some * sizeof(float));
                    }
                }
            }
        }
    }
}
