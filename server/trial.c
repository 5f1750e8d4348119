#include "trial.h"

static void turn(struct trial *trial, bool shared)
{
    trial->shared = shared;
    trial->ns = 0;
    trial->steps = 0;
}

void trial_init(struct trial *trial)
{
    *trial = (struct trial){ .alone_for = TRIAL_NS };
}

static void alone_done(struct trial *trial)
{
    trial->alone_step = (double)trial->ns / (double)trial->steps;
    trial->shared_ns = 0;
    trial->afresh = (uint64_t)(AFRESH * trial->alone_step);
    if (trial->afresh < (uint64_t)AFRESH * TRIAL_NS) {
        trial->afresh = (uint64_t)AFRESH * TRIAL_NS;
    }
    turn(trial, true);
}

static void judge(struct trial *trial)
{
    const double step = (double)trial->ns / (double)trial->steps;

    trial->shared_ns += trial->ns;
    if (step > trial->alone_step) {
        trial->penalty *= 2;
        if (trial->penalty < JUDGE_NS) {
            trial->penalty = JUDGE_NS;
        } else if (trial->penalty > ALONE_MAX_NS) {
            trial->penalty = ALONE_MAX_NS;
        }
        trial->alone_for = trial->penalty;
        turn(trial, false);
        return;
    }
    trial->penalty /= 2;
    trial->alone_for = TRIAL_NS;
    turn(trial, trial->shared_ns < trial->afresh);
}

void trial_step(struct trial *trial, uint64_t ns)
{
    trial->ns += ns;
    trial->steps++;
    if (!trial->shared && trial->ns >= trial->alone_for) {
        alone_done(trial);
    } else if (trial->shared && trial->ns >= JUDGE_NS) {
        judge(trial);
    }
}
