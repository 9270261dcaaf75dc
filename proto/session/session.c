#include "session/session.h"

#include "base/mutants.h"
#include "base/time.h"
#include "wire/relay.h"

#include <stdio.h>

// The least time between two attempts that something other than the timer asked for.
#define WANTED_INTERVAL_NS QE_NS_PER_S
// A path that ends sooner than this after it opened has not worked: dialling again at once would go on forever.
#define WORKED_NS QE_DIAL_WAIT_FIRST_NS

void qe_session_init(struct qe_session *s, const struct qe_node_id *self, const struct qe_node_id *peer)
{
    *s = (struct qe_session){.self = *self, .peer = *peer};
}

struct qe_path *qe_session_path(struct qe_session *s, uint64_t id)
{
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++)
        if (s->paths[i].state != QE_PATH_FREE && s->paths[i].id == id) return &s->paths[i];
    return NULL;
}

struct qe_path *qe_session_active(struct qe_session *s)
{
    return s->active ? qe_session_path(s, s->active) : NULL;
}

static bool any_in_state(const struct qe_session *s, enum qe_path_state state)
{
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++)
        if (s->paths[i].state == state) return true;
    return false;
}

static bool any_dialling(const struct qe_session *s)
{
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++)
        if (s->paths[i].state == QE_PATH_DIALING && !s->paths[i].relayed) return true;
    return false;
}

bool qe_session_is_direct(const struct qe_session *s)
{
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++)
        if (s->paths[i].state == QE_PATH_OPEN && !s->paths[i].relayed) return true;
    return false;
}

bool qe_session_is_relayed(const struct qe_session *s)
{
    return any_in_state(s, QE_PATH_OPEN) && !qe_session_is_direct(s);
}

enum qe_session_state qe_session_state(const struct qe_session *s)
{
    if (any_in_state(s, QE_PATH_OPEN)) return QE_SESSION_CONNECTED;
    // A silent path lives on until its idle timeout; once a new attempt has failed, the attempts are the news.
    if (any_in_state(s, QE_PATH_SILENT) && s->failures == 0) return QE_SESSION_UNRESPONSIVE;
    if (any_in_state(s, QE_PATH_DIALING)) return QE_SESSION_DIALING;
    return s->candidate_count && !s->stopping ? QE_SESSION_BACKOFF : QE_SESSION_WAITING;
}

// Whether the peer is there now. Then that is where it is looked for first when it falls silent.
static bool met_at(const struct qe_session *s, const struct qe_addr *addr)
{
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++)
        if (s->paths[i].state == QE_PATH_OPEN && qe_addr_equal(&s->paths[i].remote, addr)) return true;
    return false;
}

void qe_session_on_address(struct qe_session *s, const struct qe_addr *addr, bool configured)
{
    size_t at = 0;
    // Others may say anything; nobody is there.
    if (qe_circuit_is_addr(&addr->ip)) return;
    while (at < s->candidate_count && !qe_addr_equal(&s->candidates[at], addr))
        at++;
    size_t first = s->first_is_configured && !configured ? 1 : 0;
    if (at < s->candidate_count && at <= first) {
        s->first_is_configured |= configured;
        if (met_at(s, addr)) s->next_candidate = at;
        return;
    }
    // Moves to the front of the learned ones, or of all; the last one falls out.
    if (at == s->candidate_count && s->candidate_count < QE_SESSION_CANDIDATES_MAX) s->candidate_count++;
    if (at >= s->candidate_count) at = s->candidate_count - 1;
    memmove(&s->candidates[first + 1], &s->candidates[first], (at - first) * sizeof s->candidates[0]);
    s->candidates[first] = *addr;
    s->first_is_configured |= configured;
    s->next_candidate = met_at(s, addr) ? first : 0;
}

void qe_session_on_proven(struct qe_session *s, const struct qe_addr *addr, uint64_t now_ns)
{
    qe_session_on_address(s, addr, false);
    if (qe_session_is_direct(s)) return;
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++)
        if (s->paths[i].state == QE_PATH_DIALING && qe_addr_equal(&s->paths[i].remote, addr)) return;
    for (size_t i = 0; i < s->candidate_count; i++)
        if (qe_addr_equal(&s->candidates[i], addr)) s->next_candidate = i;
    s->hurried = true;
    s->dial_at_ns = now_ns;
}

// When the next address is dialled although others have not failed yet: where they have been dialled long enough, and
// it is none of them.
static uint64_t stagger_at(const struct qe_session *s)
{
    const struct qe_addr *next = &s->candidates[s->next_candidate % s->candidate_count];
    uint64_t since_ns = 0;
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++) {
        if (s->paths[i].state != QE_PATH_DIALING || s->paths[i].relayed) continue;
        if (qe_addr_equal(&s->paths[i].remote, next)) return QE_TIME_NEVER;
        if (s->paths[i].since_ns > since_ns) since_ns = s->paths[i].since_ns;
    }
    return since_ns + QE_DIAL_STAGGER_NS;
}

// When to dial; QE_TIME_NEVER where nothing is to be dialled as things are.
static uint64_t dial_at(const struct qe_session *s)
{
    bool relayed = qe_session_is_relayed(s);
    if (s->stopping || s->candidate_count == 0) return QE_TIME_NEVER;
    if (s->limited && s->attempts_left == 0 && !relayed && !s->hurried) return QE_TIME_NEVER;
    bool open = qe_session_is_direct(s) && !QE_MUTANT(dial_while_open);
    if (open || !any_in_state(s, QE_PATH_FREE)) return QE_TIME_NEVER;
    if (s->hurried) return s->dial_at_ns;
    uint64_t due_ns = relayed ? s->direct_at_ns : s->dial_at_ns;
    if (!any_dialling(s)) return due_ns;
    uint64_t at_ns = stagger_at(s);
    return at_ns > due_ns ? at_ns : due_ns;
}

bool qe_session_dial_due(const struct qe_session *s, uint64_t now_ns, struct qe_addr *target)
{
    uint64_t at_ns = dial_at(s);
    if (at_ns == QE_TIME_NEVER || at_ns > now_ns) return false;
    *target = s->candidates[s->next_candidate % s->candidate_count];
    return true;
}

static struct qe_path *take_slot(struct qe_session *s)
{
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++)
        if (s->paths[i].state == QE_PATH_FREE) return &s->paths[i];
    return NULL;
}

static bool dialled(struct qe_session *s, uint64_t id, uint8_t lane, const struct qe_addr *target, uint64_t now_ns)
{
    struct qe_path *path = take_slot(s);
    if (!path) return false;
    *path = (struct qe_path){.state = QE_PATH_DIALING,
        .id = id,
        .lane = lane,
        .client = true,
        .relayed = qe_circuit_is_addr(&target->ip),
        .since_ns = now_ns,
        .remote = *target};
    s->dials++;
    return true;
}

// While the peer is connected through gateways, its addresses are tried one after the other, then there is a pause.
static void direct_tried(struct qe_session *s, uint64_t now_ns)
{
    uint64_t wait = QE_DIRECT_WAIT_FIRST_NS;
    s->direct_tried_ns = now_ns;
    if (s->direct_left > 0 && --s->direct_left > 0) return;
    s->direct_left = s->candidate_count;
    for (unsigned i = 0; i < s->direct_failures && wait < QE_DIRECT_WAIT_LAST_NS; i++)
        wait *= 2;
    s->direct_failures++;
    s->direct_at_ns = now_ns + (wait < QE_DIRECT_WAIT_LAST_NS ? wait : QE_DIRECT_WAIT_LAST_NS);
}

// There is reason to try directly at once, and to go on trying.
static void direct_now(struct qe_session *s, uint64_t now_ns)
{
    s->direct_failures = 0;
    s->direct_left = s->candidate_count;
    s->direct_at_ns = now_ns;
}

// A path is lost that carried packets, or that was direct, and what is left is relayed. That is a reason to try
// directly, but not to dial on and on where gateways come and go.
static void direct_after(struct qe_session *s, const struct qe_path *lost, uint64_t now_ns)
{
    if (!qe_session_is_relayed(s)) return;
    if (lost->relayed && s->direct_tried_ns && now_ns - s->direct_tried_ns < QE_DIRECT_LOST_NS) return;
    direct_now(s, now_ns);
}

bool qe_session_on_dialled(
    struct qe_session *s, uint64_t id, uint8_t lane, const struct qe_addr *target, uint64_t now_ns)
{
    if (!dialled(s, id, lane, target, now_ns)) return false;
    s->next_candidate++;
    s->hurried = false;
    if (s->attempts_left > 0) s->attempts_left--;
    if (qe_session_is_relayed(s)) direct_tried(s, now_ns);
    return true;
}

bool qe_session_on_relay_dialled(
    struct qe_session *s, uint64_t id, uint8_t lane, const struct qe_addr *target, uint64_t now_ns)
{
    return dialled(s, id, lane, target, now_ns);
}

// Sets the next attempt: 250 ms, 500 ms, … 10 s, each ± 25 %, and not before `least` from now.
static void back_off(struct qe_session *s, uint64_t least_ns, uint32_t jitter, uint64_t now_ns)
{
    uint64_t wait = QE_DIAL_WAIT_FIRST_NS;
    if (s->limited && s->attempts_left <= QE_DIAL_ATTEMPTS_SLOW && least_ns < QE_DIAL_WAIT_SLOW_NS)
        least_ns = QE_DIAL_WAIT_SLOW_NS;
    for (unsigned i = 0; i < s->failures && wait < QE_DIAL_WAIT_LAST_NS; i++)
        wait *= 2;
    if (wait > QE_DIAL_WAIT_LAST_NS) wait = QE_DIAL_WAIT_LAST_NS;
    if (wait < least_ns) wait = least_ns;
    wait = wait - wait / 4 + wait / 2 * (jitter >> 8) / (UINT32_MAX >> 8);
    if (!QE_MUTANT(backoff_none)) s->failures++;
    s->dial_at_ns = now_ns + (QE_MUTANT(dial_storm) ? 0 : wait);
}

void qe_session_on_dial_failed(struct qe_session *s, const char *why, uint32_t jitter, uint64_t now_ns)
{
    s->dials++;
    s->next_candidate++;
    s->hurried = false;
    if (qe_session_is_relayed(s)) {
        direct_tried(s, now_ns);
        return;
    }
    snprintf(s->last_error, sizeof s->last_error, "%s", why);
    back_off(s, 0, jitter, now_ns);
}

static bool other_gateway(const struct qe_path *a, const struct qe_path *b)
{
    return qe_circuit_gateway(&a->remote) != qe_circuit_gateway(&b->remote);
}

// Whether `a` is to carry packets rather than `b`; both are open.
static bool preferred(const struct qe_session *s, const struct qe_path *a, const struct qe_path *b)
{
    if (a->relayed != b->relayed) return !a->relayed;
    // Through different gateways the older goes on, so that packets do not move when the standby opens.
    if (a->relayed && other_gateway(a, b))
        return a->since_ns != b->since_ns ? a->since_ns < b->since_ns : a->id < b->id;
    if (a->client != b->client) {
        bool we_are_lower = qe_node_id_compare(&s->self, &s->peer) < 0;
        return a->client == (we_are_lower || QE_MUTANT(duplicate_preference));
    }
    return a->since_ns != b->since_ns ? a->since_ns > b->since_ns : a->id > b->id;
}

// Without any open path, one that waits for its end serves again. Each side retires what it dialled, and where news of
// silence has crossed each may have retired the other's choice.
static void revive(struct qe_session *s)
{
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++) {
        struct qe_path *path = &s->paths[i];
        if (path->state == QE_PATH_RETIRED && !path->silent && !path->quiet && path->retire_ns != QE_TIME_NEVER)
            path->state = QE_PATH_OPEN;
    }
}

// The relayed path that is next where `best` fails, through another gateway than that; NULL for none.
static const struct qe_path *standby(const struct qe_session *s, const struct qe_path *best)
{
    const struct qe_path *next = NULL;
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++) {
        const struct qe_path *path = &s->paths[i];
        if (path == best || path->state != QE_PATH_OPEN || !path->relayed || !other_gateway(path, best)) continue;
        if (!next || preferred(s, path, next)) next = path;
    }
    return next;
}

// Whether a path that we dialled is not needed beside the open path `best`. A direct one that is silent may come back,
// which is worth more than what goes through a gateway; where there is no standby, so may one through another gateway.
static bool superfluous(const struct qe_session *s, const struct qe_path *path, const struct qe_path *best)
{
    if (path == best || !path->client || QE_MUTANT(superseded_kept)) return false;
    if (path->state != QE_PATH_OPEN && path->state != QE_PATH_SILENT) return false;
    if (!best->relayed) return true;
    const struct qe_path *next = standby(s, best);
    return path->relayed && path != next && (next || !other_gateway(path, best));
}

// Chooses the active path anew, and retires what we dialled and no longer need.
static void choose(struct qe_session *s, uint64_t now_ns)
{
    struct qe_path *best = NULL;
    if (!any_in_state(s, QE_PATH_OPEN)) revive(s);
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++) {
        struct qe_path *path = &s->paths[i];
        if (path->state == QE_PATH_OPEN && (!best || preferred(s, path, best))) best = path;
    }
    bool open = best != NULL;
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++) {
        struct qe_path *path = &s->paths[i];
        if (!open && path->state == QE_PATH_SILENT && (!best || preferred(s, path, best))) best = path;
        if (open && superfluous(s, path, best)) {
            path->state = QE_PATH_RETIRED;
            path->retire_ns = now_ns + QE_PATH_LINGER_NS;
        }
    }
    bool was_relayed = s->active && qe_session_active(s) && qe_session_active(s)->relayed;
    s->active = best ? best->id : 0;
    if (open && !best->relayed) s->hurried = false;
    if (open && best->relayed && !was_relayed) {
        direct_now(s, now_ns);
        s->direct_at_ns += QE_DIRECT_WAIT_FIRST_NS;
    }
    if (!open) {
        s->connected_ns = 0;
    } else if (s->connected_ns == 0) {
        s->connected_ns = now_ns;
        s->failures = 0;
        s->attempts_left = QE_DIAL_ATTEMPTS;
        s->last_error[0] = 0;
    }
}

struct qe_path *qe_session_on_open(
    struct qe_session *s, uint64_t id, uint8_t lane, const struct qe_conn_info *info, uint64_t now_ns)
{
    struct qe_path *path = qe_session_path(s, id);
    if (!path) {
        path = take_slot(s);
        if (!path) return NULL;
    }
    *path = (struct qe_path){.state = QE_PATH_OPEN,
        .id = id,
        .lane = lane,
        .client = info->client,
        .resumed = info->resumed,
        .early = info->early_accepted,
        .relayed = qe_circuit_is_addr(&info->remote.ip),
        .since_ns = now_ns,
        .local = info->local,
        .remote = info->remote};
    choose(s, now_ns);
    return path;
}

size_t qe_session_on_hello(struct qe_session *s, uint64_t id, uint64_t boot_epoch, uint64_t *dead, uint64_t now_ns)
{
    size_t count = 0;
    struct qe_path *path = qe_session_path(s, id);
    if (!path) return 0;
    path->heard_hello = true;
    path->boot_epoch = boot_epoch;
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++) {
        struct qe_path *other = &s->paths[i];
        if (other->state == QE_PATH_FREE || !other->heard_hello ||
            (other->boot_epoch == boot_epoch) != QE_MUTANT(epoch_compare))
            continue;
        // An older path whose hello came late says nothing about the newer one.
        if (other->since_ns <= path->since_ns) dead[count++] = other->id;
    }
    choose(s, now_ns);
    return count;
}

// Evidence of the path's silence has changed.
static void judge(struct qe_session *s, struct qe_path *path, uint64_t now_ns)
{
    bool silent = path->silent || path->quiet, carried = path->id == s->active;
    if (path->state == QE_PATH_SILENT && !silent) {
        path->state = QE_PATH_OPEN;
        choose(s, now_ns);
    }
    if (path->state != QE_PATH_OPEN || !silent) return;
    path->state = QE_PATH_SILENT;
    choose(s, now_ns);
    if (carried || !path->relayed) direct_after(s, path, now_ns);
    if (!s->active || qe_session_active(s)->state == QE_PATH_SILENT) {
        snprintf(s->last_error, sizeof s->last_error, "nothing heard");
        s->dial_at_ns = now_ns;
    }
}

void qe_session_on_silent(struct qe_session *s, uint64_t id, uint64_t now_ns)
{
    struct qe_path *path = qe_session_path(s, id);
    if (!path) return;
    path->silent = true;
    judge(s, path, now_ns);
}

void qe_session_on_heard(struct qe_session *s, uint64_t id, uint64_t now_ns)
{
    struct qe_path *path = qe_session_path(s, id);
    if (!path) return;
    path->silent = false;
    judge(s, path, now_ns);
}

void qe_session_on_quiet(struct qe_session *s, uint64_t id, bool quiet, uint64_t now_ns)
{
    struct qe_path *path = qe_session_path(s, id);
    if (!path) return;
    path->quiet = quiet;
    judge(s, path, now_ns);
}

void qe_session_on_closed(struct qe_session *s, uint64_t id, struct qe_conn_close why, uint32_t jitter, uint64_t now_ns)
{
    struct qe_path *path = qe_session_path(s, id);
    if (!path) return;
    bool was_dialling = path->state == QE_PATH_DIALING, relayed = path->relayed;
    bool mattered = was_dialling || id == s->active;
    if (QE_MUTANT(goodbye_ignored) && why.end == QE_CONN_END_REMOTE && why.code == QE_CLOSE_GOODBYE) return;
    path->state = QE_MUTANT(slot_leak) ? QE_PATH_RETIRED : QE_PATH_FREE;
    if (QE_MUTANT(slot_leak)) path->retire_ns = QE_TIME_NEVER;
    choose(s, now_ns);
    // Whoever chose the gateway chooses another.
    if (relayed && was_dialling) return;
    if (mattered && !was_dialling && now_ns - path->since_ns >= WORKED_NS) direct_after(s, path, now_ns);
    if (!mattered || any_in_state(s, QE_PATH_OPEN)) return;

    snprintf(s->last_error, sizeof s->last_error, "%s", qe_conn_end_text(why));
    bool refused = why.end == QE_CONN_END_REFUSED;
    bool goodbye = why.end == QE_CONN_END_REMOTE && why.code == QE_CLOSE_GOODBYE;
    bool short_lived = now_ns - path->since_ns < WORKED_NS;
    if (QE_MUTANT(redial_forgotten) && goodbye)
        s->dial_at_ns = QE_TIME_NEVER;
    else if (was_dialling || refused || goodbye || short_lived)
        back_off(s, refused ? QE_DIAL_WAIT_REFUSED_NS : goodbye ? QE_NS_PER_S : 0, jitter, now_ns);
    else
        s->dial_at_ns = now_ns; // it worked until now: try at once
}

void qe_session_on_wanted(struct qe_session *s, uint64_t now_ns)
{
    uint64_t soonest = s->dial_at_ns;
    s->attempts_left = QE_DIAL_ATTEMPTS;
    if (any_in_state(s, QE_PATH_OPEN) || any_in_state(s, QE_PATH_DIALING) || soonest <= now_ns) return;
    if (soonest - now_ns > WANTED_INTERVAL_NS) s->dial_at_ns = now_ns + WANTED_INTERVAL_NS;
}

void qe_session_on_found(struct qe_session *s, uint64_t now_ns)
{
    if (qe_session_is_direct(s)) return;
    if (qe_session_is_relayed(s)) {
        direct_now(s, now_ns);
        return;
    }
    s->failures = 0;
    if (!s->lazy) s->attempts_left = QE_DIAL_ATTEMPTS;
    if (s->dial_at_ns > now_ns) s->dial_at_ns = now_ns;
}

void qe_session_limit(struct qe_session *s, bool lazy)
{
    s->limited = true;
    s->lazy = lazy;
    s->attempts_left = lazy ? 0 : QE_DIAL_ATTEMPTS;
}

void qe_session_on_link_up(struct qe_session *s, uint64_t now_ns)
{
    if (qe_session_is_direct(s) || QE_MUTANT(link_up_ignored)) return;
    if (qe_session_is_relayed(s)) direct_now(s, now_ns);
    s->failures = 0;
    if (s->dial_at_ns > now_ns) s->dial_at_ns = now_ns;
}

uint64_t qe_session_retired(const struct qe_session *s, uint64_t now_ns)
{
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++)
        if (s->paths[i].state == QE_PATH_RETIRED && s->paths[i].retire_ns <= now_ns) return s->paths[i].id;
    return 0;
}

uint64_t qe_session_deadline(const struct qe_session *s)
{
    uint64_t deadline = dial_at(s);
    for (size_t i = 0; i < QE_SESSION_PATHS_MAX; i++)
        if (s->paths[i].state == QE_PATH_RETIRED) deadline = qe_time_min(deadline, s->paths[i].retire_ns);
    return deadline;
}

const char *qe_session_state_name(enum qe_session_state state)
{
    switch (state) {
    case QE_SESSION_WAITING:
        return "waiting";
    case QE_SESSION_DIALING:
        return "dialing";
    case QE_SESSION_CONNECTED:
        return "connected";
    case QE_SESSION_UNRESPONSIVE:
        return "unresponsive";
    case QE_SESSION_BACKOFF:
        return "backoff";
    }
    return "?";
}

const char *qe_conn_end_text(struct qe_conn_close why)
{
    switch (why.end) {
    case QE_CONN_END_LOCAL:
        return "closed by this node";
    case QE_CONN_END_REMOTE:
        if (why.code == QE_CLOSE_GOODBYE) return "the peer stopped";
        if (why.code == QE_CLOSE_SUPERSEDED) return "another connection took over";
        return "closed by the peer";
    case QE_CONN_END_IDLE:
        return "nothing heard until the idle timeout";
    case QE_CONN_END_HANDSHAKE:
        return "no answer";
    case QE_CONN_END_REFUSED:
        return "refused: one side does not allow the other's key";
    case QE_CONN_END_RESET:
        return "the peer restarted";
    case QE_CONN_END_ERROR:
        return "protocol error";
    }
    return "?";
}
