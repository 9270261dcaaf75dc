// Packets to overlay addresses that no peer is known to have. The first few wait for a moment while the control part
// looks for the owner; they go on when a snapshot has a route, and are dropped when there is none in time or at all.
#include "node/lane_internal.h"

#include "base/time.h"

static bool in_overlay(const struct qe_lane *lane, const struct qe_ip *ip)
{
    for (size_t i = 0; i < lane->snapshot->own_count; i++)
        if (qe_cidr_contains(&lane->snapshot->own[i], ip)) return !qe_snapshot_is_own(lane->snapshot, ip);
    return false;
}

bool lane_hold(struct qe_lane *lane, const struct qe_packet_in *in, const struct qe_ip *destination)
{
    size_t same = 0;
    if (!in_overlay(lane, destination) || lane->unrouted_count == LANE_UNROUTED_MAX) return false;
    for (size_t i = 0; i < lane->unrouted_count; i++)
        same += qe_ip_equal(&lane->unrouted[i].destination, destination);
    if (same == LANE_UNROUTED_EACH) return false;
    if (same == 0) {
        struct qe_mail *mail =
            qe_mail_post(&lane->host->mem, lane->options.outbox, QE_MAIL_CONTROL, QE_MAIL_UNROUTED, NULL, 0);
        if (!mail) return false;
        mail->peer = QE_PEER_NONE;
        mail->address = *destination;
    }
    lane->unrouted[lane->unrouted_count++] = (struct lane_unrouted){*in, *destination, lane->now_ns};
    return true;
}

// Takes out those that `which` picks, in their order, and does `what` with each.
static void take_out(struct qe_lane *lane, bool (*which)(struct qe_lane *, const struct lane_unrouted *, const void *),
    const void *argument, void (*what)(struct qe_lane *, struct qe_packet_in *))
{
    struct lane_unrouted taken[LANE_UNROUTED_MAX];
    size_t count = 0, kept = 0;
    for (size_t i = 0; i < lane->unrouted_count; i++) {
        struct lane_unrouted *held = &lane->unrouted[i];
        if (which(lane, held, argument))
            taken[count++] = *held;
        else
            lane->unrouted[kept++] = *held;
    }
    lane->unrouted_count = kept;
    for (size_t i = 0; i < count; i++)
        what(lane, &taken[i].in);
}

static void drop(struct qe_lane *lane, struct qe_packet_in *in)
{
    lane_drop(lane, QE_COUNT_DROP_NO_ROUTE, QE_PEER_NONE);
    lane->host->buf_free(lane->host->user, in->buf);
}

static bool is_routed(struct qe_lane *lane, const struct lane_unrouted *held, const void *unused)
{
    (void)unused;
    return qe_snapshot_route(lane->snapshot, &held->destination) != QE_PEER_NONE;
}

void lane_unrouted_retry(struct qe_lane *lane)
{
    take_out(lane, is_routed, NULL, lane_forward);
}

static bool is_to(struct qe_lane *lane, const struct lane_unrouted *held, const void *destination)
{
    (void)lane;
    return qe_ip_equal(&held->destination, destination);
}

void lane_unrouted_drop(struct qe_lane *lane, const struct qe_ip *destination)
{
    take_out(lane, is_to, destination, drop);
}

static bool is_late(struct qe_lane *lane, const struct lane_unrouted *held, const void *unused)
{
    (void)unused;
    return lane->now_ns - held->since_ns >= LANE_UNROUTED_NS;
}

void lane_unrouted_expire(struct qe_lane *lane)
{
    take_out(lane, is_late, NULL, drop);
}

uint64_t lane_unrouted_deadline(const struct qe_lane *lane)
{
    return lane->unrouted_count ? lane->unrouted[0].since_ns + LANE_UNROUTED_NS : QE_TIME_NEVER;
}

void lane_unrouted_free(struct qe_lane *lane)
{
    for (size_t i = 0; i < lane->unrouted_count; i++)
        lane->host->buf_free(lane->host->user, lane->unrouted[i].in.buf);
    lane->unrouted_count = 0;
}
