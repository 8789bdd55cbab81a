/* Keys that are not used: those of the original in one note, others in a warning each. */
#include "host/cluster_unused.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

/* What the original reads, and we do not. */
static const char *const originals[] = {
    "allocation_timeout_minutes", "cpu_pressure_high", "cpu_pressure_low", "default_gpus_per_node",
    "default_nodes", "gpu_pressure_high", "gpu_pressure_low", "initialization_commands", "logging",
    "memory_pressure_high", "memory_pressure_low", "mode", "monitoring_interval_seconds", "name",
    "pressure_thresholds", "priorities", "priority", "ray_start_params", "rebalance_interval",
    "rebalance_interval_seconds", "retry_attempts", "runtime_env", "timeout_seconds",
    "working_directory",
};

/* What is used somewhere: what another word was probably meant to be. */
static const char *next_used(void *context, size_t index)
{
    static const char *const used[] = {
        "nodes", "name", "host", "user", "gpu_count", "memory_gb", "role", "cpu_count", "port",
        "tags", "resource_sharing", "can_share", "max_share_cpu", "max_share_gpu",
        "max_share_memory_gb", "execution", "enabled", "policy", "excess_threshold", "thresholds",
    };
    (void)context;
    return index < countof(used) ? used[index] : NULL;
}

static bool is_original(const char *key)
{
    for (size_t i = 0; i < countof(originals); i++)
        if (strcmp(key, originals[i]) == 0)
            return true;
    return false;
}

static void warn(const struct cluster_unused *unused, const struct yaml_step *step)
{
    char text[PATH_MAX + 512], more[64] = "";
    const char *meant = text_nearest(step->key, next_used, NULL);
    if (meant && strcmp(meant, step->key) == 0)
        text_copy(more, sizeof(more), " here");
    else if (meant)
        snprintf(more, sizeof(more), ": did you mean '%s'?", meant);
    snprintf(text, sizeof(text), "%s:%zu:%zu: '%s' is not used%s", unused->file, step->line,
             step->column, text_shown(step->key), more);
    unused->note(unused->context, true, text);
}

void cluster_unused_key(struct cluster_unused *unused, const struct yaml_step *step)
{
    char quoted[64];
    if (!unused->note || (step->line == unused->last.line && step->column == unused->last.column))
        return;
    unused->last = *step;
    if (!is_original(step->key)) {
        warn(unused, step);
        return;
    }
    snprintf(quoted, sizeof(quoted), "'%s'", step->key);
    const char *before = buffer_string(&unused->originals);
    if (before && !strstr(before, quoted))
        buffer_format(&unused->originals, "%s%s", *before ? ", " : "", quoted);
}

void cluster_unused_end(struct cluster_unused *unused, int rc)
{
    char text[PATH_MAX + 1024];
    if (rc == 0 && unused->originals.length > 0 && buffer_string(&unused->originals)) {
        snprintf(text, sizeof(text), "%s: what these keys say is not used: %s", unused->file,
                 unused->originals.data);
        unused->note(unused->context, false, text);
    }
    buffer_release(&unused->originals);
}
