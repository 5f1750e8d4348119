#include "kernel.h"

#include <stdio.h>
#include <string.h>

/* The process-wide choice: written by kernel_force, before there are threads. */
static const struct kernel *forced;

/* __builtin_cpu_supports reads CPUID once and asks XGETBV whether the system saves the registers. */
static bool processor_has(const struct kernel *kernel)
{
    if (kernel == NULL) {
        return false;
    }
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (kernel == kernel_avx512) {
        return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("fma");
    }
    if (kernel == kernel_avx2) {
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    }
#endif
    return true;
}

const struct kernel *kernel_nth(size_t k)
{
    const struct kernel *const by_speed[] = { kernel_avx512, kernel_avx2, kernel_neon,
                                              kernel_scalar };

    for (size_t i = 0; i < sizeof by_speed / sizeof *by_speed; i++) {
        if (processor_has(by_speed[i]) && k-- == 0) {
            return by_speed[i];
        }
    }
    return NULL;
}

const struct kernel *kernel_best(void)
{
    return kernel_nth(0);
}

bool kernel_force(const char *name, struct err *err)
{
    const struct kernel *kernel;
    char names[64] = "";

    for (size_t k = 0; (kernel = kernel_nth(k)) != NULL; k++) {
        const size_t used = strlen(names);

        if (strcmp(kernel->name, name) == 0) {
            forced = kernel;
            return true;
        }
        snprintf(names + used, sizeof names - used, "%s%s", k == 0 ? "" : ", ", kernel->name);
    }
    return err_set(err, ERR_FIELD, "isa", "must be one that this processor has, %s; is '%.32s'",
                   names, name);
}

const struct kernel *kernel_chosen(void)
{
    return forced != NULL ? forced : kernel_best();
}

const char *kernel_name(const struct kernel *kernel)
{
    return kernel->name;
}
