// Judging what is expected of a pair of nodes: when each said that it is connected to the other, and by which way.
#include "world/world.h"

#include "scenario/units.h"

#include <inttypes.h>
#include <stdarg.h>

static char *text(const char *format, ...) __attribute__((format(printf, 1, 2)));
static char *text(const char *format, ...)
{
    char out[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(out, sizeof(out), format, args);
    va_end(args);
    return sim_copy_text(out);
}

// What both say at one time.
struct pair {
    size_t a, b;
    enum sim_way own, other;
};

static void follow(struct pair *pair, const struct sim_connection_change *c)
{
    if (c->host == pair->a && c->other == pair->b) pair->own = c->way;
    if (c->host == pair->b && c->other == pair->a) pair->other = c->way;
}

static bool is_by(enum sim_way way, enum sim_way by)
{
    return by == SIM_WAY_ANY ? way != SIM_WAY_NONE : way == by;
}

static bool holds(const struct pair *pair, bool up, enum sim_way by)
{
    return up ? is_by(pair->own, by) && is_by(pair->other, by) : pair->own == SIM_WAY_NONE;
}

// From when on both sides (or, for `up` false, the first host) see it so, at or after `after_ns` and before
// `before_ns`.
static bool settled_at(const struct sim_world *world, struct pair pair, bool up, enum sim_way by, uint64_t after_ns,
    uint64_t before_ns, uint64_t *at_ns)
{
    uint64_t at = after_ns;
    for (size_t i = 0; i <= world->change_count; i++) {
        const struct sim_connection_change *c = i < world->change_count ? &world->changes[i] : NULL;
        // All that happened until `at` is counted before the state is looked at.
        if (!c || c->at_ns > at) {
            if (holds(&pair, up, by)) {
                *at_ns = at;
                return true;
            }
            if (!c || c->at_ns >= before_ns) return false;
            at = c->at_ns;
        }
        follow(&pair, c);
    }
    return false;
}

// When the pair is first not as wanted in the window; UINT64_MAX: never. Of things at one instant the last one counts.
static uint64_t broken_at(const struct sim_world *world, const struct sim_scenario_expect *e, bool up)
{
    struct pair pair = {e->host, e->other, SIM_WAY_NONE, SIM_WAY_NONE};
    for (size_t i = 0; i <= world->change_count; i++) {
        const struct sim_connection_change *c = i < world->change_count ? &world->changes[i] : NULL;
        uint64_t until = c && c->at_ns < e->before_ns ? c->at_ns : e->before_ns;
        uint64_t since = i ? world->changes[i - 1].at_ns : 0;
        if (since < e->after_ns) since = e->after_ns;
        if (until > since && !holds(&pair, up, e->by)) return since;
        if (!c || c->at_ns >= e->before_ns) break;
        follow(&pair, c);
    }
    return UINT64_MAX;
}

static void judge_always(const struct sim_world *world, const struct sim_scenario_expect *e, struct sim_outcome *out)
{
    char at[SIM_UNITS_TEXT_SIZE], after[SIM_UNITS_TEXT_SIZE], before[SIM_UNITS_TEXT_SIZE];
    uint64_t broken = broken_at(world, e, e->kind == SIM_EXPECT_CONNECTED);
    out->bound = text(
        "always from %s to %s", sim_duration_format(e->after_ns, after), sim_duration_format(e->before_ns, before));
    out->measured = broken == UINT64_MAX ? sim_copy_text("always") : text("not at %s", sim_duration_format(broken, at));
    out->passed = broken == UINT64_MAX;
}

static const char *by_text(enum sim_way by)
{
    return by == SIM_WAY_DIRECT ? " directly" : by == SIM_WAY_GATEWAY ? " by a gateway" : "";
}

static void judge_pair(const struct sim_world *world, const struct sim_scenario_expect *e, struct sim_outcome *out)
{
    static const char *const words[] = {"connected", "disconnected"};
    const char *a = world->hosts[e->host]->box.name, *b = world->hosts[e->other]->box.name;
    char within[SIM_UNITS_TEXT_SIZE], after[SIM_UNITS_TEXT_SIZE], measured[SIM_VALUE_TEXT_SIZE];
    bool up = e->kind == SIM_EXPECT_CONNECTED;
    struct pair pair = {e->host, e->other, SIM_WAY_NONE, SIM_WAY_NONE};
    uint64_t since;
    bool known = settled_at(world, pair, up, e->by, e->after_ns, e->before_ns, &since);
    if (known) since -= e->after_ns;
    out->subject = text("%s%s", words[!up], by_text(e->by));
    out->what = text("%s%s %s %s after %s", words[!up], by_text(e->by), a, b, sim_duration_format(e->after_ns, after));
    if (e->always) {
        judge_always(world, e, out);
        return;
    }
    out->bound = text("within %s", sim_duration_format(e->max, within));
    out->measured = sim_copy_text(known ? sim_value_format(SIM_UNIT_DURATION, since, measured) : "never");
    out->passed = known && since <= e->max;
}

// How often both came to say so. Whoever dials may think for a round trip that it is let in (RFC 9001 §4.1.2).
static uint64_t times(const struct sim_world *world, const struct sim_scenario_expect *e, enum sim_way by)
{
    struct pair pair = {e->host, e->other, SIM_WAY_NONE, SIM_WAY_NONE};
    uint64_t count = 0;
    for (size_t i = 0; i < world->change_count; i++) {
        const struct sim_connection_change *c = &world->changes[i];
        bool were = holds(&pair, true, by);
        follow(&pair, c);
        if (holds(&pair, true, by) && !were && c->at_ns >= e->after_ns && c->at_ns < e->before_ns) count++;
    }
    return count;
}

static void judge_never(const struct sim_world *world, const struct sim_scenario_expect *e, struct sim_outcome *out)
{
    uint64_t count = times(world, e, e->by);
    out->subject = text("never connected%s", by_text(e->by));
    out->what = text(
        "never connected%s %s %s", by_text(e->by), world->hosts[e->host]->box.name, world->hosts[e->other]->box.name);
    out->bound = sim_copy_text("never");
    out->measured = count ? text("%" PRIu64 " times", count) : sim_copy_text("never");
    out->passed = count == 0;
}

static struct sim_crossing_node crossing_node(const struct sim_world *world, size_t index)
{
    struct sim_host *host = world->hosts[index];
    struct sim_crossing_node node = {.box = &host->box};
    for (size_t i = host->socket_count; i-- > 0;)
        *(host->sockets[i].bind.ip.family == 4 ? &node.port4 : &node.port6) = host->sockets[i].bind.port;
    return node;
}

static bool may_help(const struct sim_world *world, const struct pair *pair, size_t i)
{
    return i != pair->a && i != pair->b && world->hosts[i]->runs_node && sim_host_running(world->hosts[i]);
}

void sim_expect_pair_facts(const struct sim_world *world, size_t a, size_t b, struct sim_pair_facts *facts)
{
    struct pair pair = {a, b, SIM_WAY_NONE, SIM_WAY_NONE};
    struct sim_crossing_node x = crossing_node(world, a), y = crossing_node(world, b);
    struct sim_crossing_node *helpers = sim_obtain(world->scenario->host_count, sizeof(*helpers));
    size_t count = 0;
    *facts = (struct sim_pair_facts){.known_ns = UINT64_MAX, .connected_ns = UINT64_MAX, .direct_ns = UINT64_MAX};
    for (size_t i = 0; i < world->scenario->host_count; i++) {
        if (!may_help(world, &pair, i)) continue;
        struct sim_crossing_node helper = helpers[count++] = crossing_node(world, i);
        if (world->hosts[i]->config.gateway)
            facts->gateway |= sim_crossing_reaches(&x, &helper) && sim_crossing_reaches(&y, &helper);
    }
    facts->crossing = sim_crossing_pair(&x, &y, helpers, count);
    sim_release(helpers);
    uint64_t end_ns = world->scenario->duration_ns;
    settled_at(world, pair, true, SIM_WAY_ANY, 0, end_ns, &facts->connected_ns);
    settled_at(world, pair, true, SIM_WAY_DIRECT, 0, end_ns, &facts->direct_ns);
    for (size_t i = 0; i < world->found_count; i++) {
        const struct sim_record_found *f = &world->found[i];
        bool ours = (f->host == a && f->other == b) || (f->host == b && f->other == a);
        if (ours && f->at_ns < facts->known_ns) facts->known_ns = f->at_ns;
    }
    for (size_t i = 0; i < world->change_count && world->changes[i].at_ns < end_ns; i++)
        follow(&pair, &world->changes[i]);
    facts->way = pair.own == pair.other ? pair.own : holds(&pair, true, SIM_WAY_ANY) ? SIM_WAY_ANY : SIM_WAY_NONE;
}

// Directly where the NATs allow it, by a gateway elsewhere, and refused with a word to the user where there is none.
static void judge_crossing(const struct sim_world *world, size_t index, struct sim_outcome *out)
{
    static const char *const oracle[] = {[SIM_CROSSING_NO] = "no direct way",
        [SIM_CROSSING_MAYBE] = "a direct way by luck",
        [SIM_CROSSING_ASYMMETRIC] = "an asymmetric way",
        [SIM_CROSSING_DIRECT] = "a direct way"};
    const struct sim_scenario_expect *e = &world->scenario->expects[index];
    char within[SIM_UNITS_TEXT_SIZE], after[SIM_UNITS_TEXT_SIZE], when[SIM_VALUE_TEXT_SIZE];
    struct pair pair = {e->host, e->other, SIM_WAY_NONE, SIM_WAY_NONE};
    struct sim_pair_facts facts;
    uint64_t at = 0;
    sim_expect_pair_facts(world, e->host, e->other, &facts);
    enum sim_way wanted = facts.crossing == SIM_CROSSING_DIRECT ? SIM_WAY_DIRECT
                          : facts.gateway                       ? SIM_WAY_ANY
                                                                : SIM_WAY_NONE;
    bool lucky = facts.crossing == SIM_CROSSING_MAYBE || facts.crossing == SIM_CROSSING_ASYMMETRIC;
    bool impossible = facts.crossing == SIM_CROSSING_NO && times(world, e, SIM_WAY_DIRECT) > 0;
    bool met = settled_at(world, pair, true, wanted == SIM_WAY_DIRECT ? wanted : SIM_WAY_ANY, e->after_ns, e->before_ns,
                   &at) &&
               at - e->after_ns <= e->max;
    bool refused = world->counts[index] > 0;
    out->subject = sim_copy_text("crossing");
    out->what = text("crossing %s %s after %s: %s", world->hosts[e->host]->box.name, world->hosts[e->other]->box.name,
        sim_duration_format(e->after_ns, after), oracle[facts.crossing]);
    out->bound = wanted == SIM_WAY_NONE
                     ? text(lucky ? "connected or told" : "told why not")
                     : text("connected%s within %s", by_text(wanted), sim_duration_format(e->max, within));
    out->measured = impossible ? sim_copy_text("connected directly, which is impossible")
                    : met ? text("connected%s at %s", by_text(facts.way), sim_value_format(SIM_UNIT_DURATION, at, when))
                          : sim_copy_text(refused ? "told that it cannot connect" : "not connected, and not told");
    out->passed = !impossible && (wanted == SIM_WAY_NONE ? (met ? lucky : refused) : met);
}

void sim_expect_judge_pair(const struct sim_world *world, size_t index, struct sim_outcome *out)
{
    const struct sim_scenario_expect *e = &world->scenario->expects[index];
    if (e->kind == SIM_EXPECT_CROSSING)
        judge_crossing(world, index, out);
    else if (e->kind == SIM_EXPECT_NEVER_CONNECTED)
        judge_never(world, e, out);
    else
        judge_pair(world, e, out);
}
