#include "rows.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernel.h"

static const void *row_at(const struct rows *x, size_t i)
{
    const size_t size = x->dtype == DTYPE_U8 ? sizeof(uint8_t) : sizeof(float);

    return (const unsigned char *)x->data + i * x->width * size;
}

void rows_gather(const struct rows *x, const uint32_t *index, size_t first, size_t n,
                 const struct norm_map *norm, float *out, size_t ld)
{
    const struct kernel *kernel = kernel_chosen();
    const size_t whole = round_up(x->width, PANEL);

    assert(ld >= whole && ld % PANEL == 0);
    for (size_t i = 0; i < n; i++) {
        const size_t at = index != NULL ? index[i] : first + i;
        float *to = out + i * ld;

        kernel->gather(x->dtype, row_at(x, at), x->width, norm, to);
        for (size_t j = x->width; j < ld; j++) {
            to[j] = 0.0f;
        }
    }
}

void rows_widen(const struct rows *x, size_t at, size_t n, float *out)
{
    const size_t size = x->dtype == DTYPE_U8 ? sizeof(uint8_t) : sizeof(float);

    kernel_chosen()->gather(x->dtype, (const unsigned char *)x->data + at * size, n, NULL, out);
}

static double value_at(const struct rows *x, size_t i, size_t j)
{
    return x->dtype == DTYPE_U8 ? (double)((const uint8_t *)row_at(x, i))[j]
                                : (double)((const float *)row_at(x, i))[j];
}

static void fit_standard(const struct data *data, size_t j, double *shift, double *scale)
{
    const size_t n = data_rows(data);
    double sum = 0.0, squares = 0.0, mean;

    for (size_t i = 0; i < n; i++) {
        sum += value_at(&data->x, data_row(data, i), j);
    }
    mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        const double d = value_at(&data->x, data_row(data, i), j) - mean;

        squares += d * d;
    }
    *shift = mean;
    *scale = squares > 0.0 ? 1.0 / sqrt(squares / (double)n) : 1.0;
}

static void fit_minmax(const struct data *data, size_t j, double *shift, double *scale)
{
    double least = value_at(&data->x, data_row(data, 0), j), most = least;

    for (size_t i = 1; i < data_rows(data); i++) {
        const double v = value_at(&data->x, data_row(data, i), j);

        least = v < least ? v : least;
        most = v > most ? v : most;
    }
    *shift = least;
    *scale = most > least ? 1.0 / (most - least) : 1.0;
}

void target_norm_fit(enum norm norm, const struct data *data, size_t outputs, float *shift,
                     float *scale)
{
    const struct data targets = { .x = { DTYPE_F32, data->x.n, outputs, data->values },
                                  .pick = data->pick,
                                  .n_pick = data->n_pick };

    norm_fit(norm, &targets, shift, scale);
}

void norm_fit(enum norm norm, const struct data *data, float *shift, float *scale)
{
    assert(norm == NORM_UNIT || data_rows(data) >= 1);
    for (size_t j = 0; j < data->x.width; j++) {
        double from = 0.0, by = norm == NORM_UNIT ? 1.0 / 255.0 : 1.0;

        if (norm == NORM_STANDARD) {
            fit_standard(data, j, &from, &by);
        } else if (norm == NORM_MINMAX) {
            fit_minmax(data, j, &from, &by);
        }
        shift[j] = (float)from;
        scale[j] = isfinite((float)by) ? (float)by : 1.0f;
    }
}

/* The output unit of a row that has a class. */
static uint32_t unit_at(const struct data *data, size_t i)
{
    const uint32_t c = data->classes[i];

    return data->map != NULL ? data->map[c] : c;
}

void data_weigh(const struct data *data, const uint32_t *index, size_t n, float *weights)
{
    for (size_t i = 0; i < n; i++) {
        weights[i] = data->weights[unit_at(data, index[i])];
    }
}

bool data_balance(const struct data *data, size_t outputs, float *weights, struct err *err)
{
    const size_t n = data_rows(data);
    size_t *count = calloc(outputs, sizeof *count), there = 0;

    if (count == NULL) {
        return err_set(err, ERR_MEMORY, "", "no memory to count %zu classes", outputs);
    }
    for (size_t i = 0; i < n; i++) {
        count[unit_at(data, data_row(data, i))]++;
    }
    for (size_t c = 0; c < outputs; c++) {
        there += count[c] > 0;
    }
    for (size_t c = 0; c < outputs; c++) {
        weights[c] = count[c] > 0 ? (float)((double)n / ((double)there * (double)count[c])) : 0.0f;
    }
    free(count);
    return true;
}

static bool classes_check(const struct data *data, const struct net_spec *spec, struct err *err)
{
    const size_t outputs = spec_outputs(spec);

    if (spec->target_norm != NORM_NONE) {
        return err_set(err, ERR_RANGE, "labels",
                       "are there, but the model's normalize_targets is %s, which needs numbers",
                       norm_name(spec->target_norm));
    }
    for (size_t i = 0; i < data->x.n; i++) {
        const uint32_t c = unit_at(data, i);

        if (c >= outputs) {
            err_set(err, ERR_RANGE, "", "must be below %zu, the number of outputs, is %u", outputs,
                    c);
            return err_in(err, "labels[%zu]", i);
        }
    }
    return true;
}

static bool row_check(const float *y, size_t n, enum cost cost, struct err *err)
{
    double sum = 0.0;

    for (size_t j = 0; j < n; j++) {
        const double v = y[j];

        if (!isfinite(v)) {
            err_set(err, ERR_RANGE, "", "must be finite, is %g", v);
            return err_in(err, "[%zu]", j);
        }
        if (cost == COST_CROSS_ENTROPY && (v < 0.0 || v > 1.0)) {
            err_set(err, ERR_RANGE, "", "must be 0 to 1 for cross_entropy, is %g", v);
            return err_in(err, "[%zu]", j);
        }
        if (cost == COST_LOG_LIKELIHOOD && v < 0.0) {
            err_set(err, ERR_RANGE, "", "must be 0 or more for log_likelihood, is %g", v);
            return err_in(err, "[%zu]", j);
        }
        sum += v;
    }
    if (cost == COST_LOG_LIKELIHOOD && !(fabs(sum - 1.0) <= 1e-5)) {
        return err_set(err, ERR_RANGE, "", "must sum to 1 for log_likelihood, sums to %.9g", sum);
    }
    return true;
}

bool data_check(const struct data *data, const struct net_spec *spec, struct err *err)
{
    const size_t outputs = spec_outputs(spec);

    if (data->classes != NULL) {
        return classes_check(data, spec, err);
    }
    for (size_t i = 0; i < data->x.n; i++) {
        if (!row_check(data->values + i * outputs, outputs, spec->cost, err)) {
            return err_in(err, "targets[%zu]", i);
        }
    }
    return true;
}

void data_gather(const struct data *data, const uint32_t *index, size_t first, size_t n,
                 size_t outputs, float *y, size_t ld)
{
    for (size_t i = 0; i < n; i++) {
        const size_t at = index != NULL ? index[i] : first + i;
        float *to = y + i * ld;

        if (data->classes != NULL) {
            memset(to, 0, ld * sizeof *to);
            to[unit_at(data, at)] = 1.0f;
        } else {
            memcpy(to, data->values + at * outputs, outputs * sizeof *to);
            memset(to + outputs, 0, (ld - outputs) * sizeof *to);
        }
    }
}
