// Circuits in a lane (wire/relay.h): which there are, and what of others' packets this node passes on through them.
#include "node/circuits.h"

#include "base/mutants.h"
#include "wire/relay.h"

// What may come at once: a tenth of a second's worth, and at least this.
#define BURST_BYTES_MIN 32768
// A source counts as active for so long after its last packet.
#define ACTIVE_NS (1 * QE_NS_PER_S)
#define DAY_NS    (UINT64_C(86400) * QE_NS_PER_S)
// How often a peer is told that a circuit of its is none.
#define UNKNOWN_INTERVAL_NS (200 * QE_NS_PER_MS)

struct lane_circuit *lane_circuit(const struct qe_lane *lane, uint32_t peer, uint32_t number)
{
    const uint32_t key[2] = {peer, number};
    return lane->circuits ? qe_table_get(lane->circuits, key) : NULL;
}

static uint64_t refilled(uint64_t credit, uint64_t bytes_per_s, uint64_t elapsed_ns)
{
    uint64_t burst = bytes_per_s / 10 > BURST_BYTES_MIN ? bytes_per_s / 10 : BURST_BYTES_MIN;
    if (elapsed_ns > QE_NS_PER_S) elapsed_ns = QE_NS_PER_S;
    credit += bytes_per_s * (elapsed_ns / QE_NS_PER_US) / 1000000;
    return credit < burst ? credit : burst;
}

// Takes `size` bytes from a bucket that is filled at that rate. False where it has not so many.
static bool draw(struct lane_bucket *bucket, uint64_t bytes_per_s, uint64_t size, uint64_t reserve, uint64_t now_ns)
{
    if (bucket->at_ns == 0) bucket->credit = UINT64_MAX / 2;
    if (bucket->at_ns == 0 || now_ns - bucket->at_ns >= QE_NS_PER_MS) {
        bucket->credit = refilled(bucket->credit, bytes_per_s, bucket->at_ns ? now_ns - bucket->at_ns : 0);
        bucket->at_ns = now_ns;
    }
    if (bucket->credit < size + reserve) return false;
    bucket->credit -= size;
    return true;
}

// How many sources there are at present, roughly: those of this second and of the last one.
static uint64_t count_active(struct qe_lane *lane, struct lane_peer *source)
{
    uint64_t period = lane->now_ns / ACTIVE_NS + 1;
    if (lane->relay_period != period) {
        lane->relay_sources_before = lane->relay_period + 1 == period ? lane->relay_sources : 0;
        lane->relay_sources = 0;
        lane->relay_period = period;
    }
    if (source->relay_period != period) {
        source->relay_period = period;
        lane->relay_sources++;
    }
    uint64_t count =
        lane->relay_sources > lane->relay_sources_before ? lane->relay_sources : lane->relay_sources_before;
    return count ? count : 1;
}

// Whether so much more may be relayed for the source. Of what all may have together each that is active has an equal
// part for itself, and what others leave unused while half of the common bucket is full.
static bool may_pass(struct qe_lane *lane, struct lane_peer *source, uint64_t size)
{
    const struct qe_snapshot_relay *limits = &lane->snapshot->relay;
    uint64_t total = limits->total_rate_bps / 8;
    if (limits->volume_bytes) {
        if (source->volume_since_ns == 0 || lane->now_ns - source->volume_since_ns >= DAY_NS) {
            source->volume_since_ns = lane->now_ns;
            source->volume = 0;
        }
        if (source->volume + size > limits->volume_bytes && !QE_MUTANT(relay_unlimited)) return false;
    }
    if (limits->rate_bps && !draw(&source->rate, limits->rate_bps / 8, size, 0, lane->now_ns) &&
        !QE_MUTANT(relay_unlimited))
        return false;
    if (total) {
        bool own = draw(&source->share, total / count_active(lane, source), size, 0, lane->now_ns);
        uint64_t half = (total / 10 > BURST_BYTES_MIN ? total / 10 : BURST_BYTES_MIN) / 2;
        if (!draw(&lane->relay_total, total, size, own ? 0 : half, lane->now_ns)) return false;
    }
    source->volume += size;
    return true;
}

static void pass_on(
    struct qe_lane *lane, struct lane_path *path, const struct lane_circuit *circuit, bool whole, struct qe_span packet)
{
    struct lane_peer *source = path->peer;
    if (!may_pass(lane, source, packet.size)) {
        lane_drop(lane, QE_COUNT_DROP_RELAY_LIMIT, source->index);
        source->relayed.dropped_packets++;
        return;
    }
    source->relayed.packets++;
    source->relayed.bytes += packet.size;
    qe_count(&lane->counters, QE_COUNT_RELAYED_PACKETS);
    qe_count_by(&lane->counters, QE_COUNT_RELAYED_BYTES, packet.size);
    lane_send_into(lane, circuit->to_peer, circuit->to_number, whole, packet, source->index);
}

// Tells the control part, which tells the peer.
static void tell_unknown(struct qe_lane *lane, struct lane_peer *peer, uint32_t number)
{
    if (peer->unknown_ns != 0 && lane->now_ns - peer->unknown_ns < UNKNOWN_INTERVAL_NS) return;
    peer->unknown_ns = lane->now_ns;
    struct qe_mail *mail =
        qe_mail_post(&lane->host->mem, lane->options.outbox, QE_MAIL_CONTROL, QE_MAIL_NO_CIRCUIT, NULL, 0);
    if (!mail) return;
    mail->peer = peer->index;
    mail->circuit.number = number;
}

void lane_relayed(struct qe_lane *lane, struct lane_path *path, struct qe_span frame)
{
    uint32_t number, index = path->peer->index;
    bool whole;
    struct qe_span packet;
    // Nobody relays over what is relayed: so there are no loops.
    if (path->relayed || lane_is_stranger(path)) {
        lane_drop(lane, QE_COUNT_DROP_CIRCUIT, index);
        return;
    }
    if (!qe_relayed_read(frame, &number, &whole, &packet)) {
        lane_drop(lane, QE_COUNT_DROP_MALFORMED, index);
        return;
    }
    const struct lane_circuit *circuit = lane_circuit(lane, index, number);
    if (!circuit) {
        lane_drop(lane, QE_COUNT_DROP_CIRCUIT, index);
        tell_unknown(lane, path->peer, number);
    } else if (circuit->ends) {
        lane_note_inside(lane, index, number, packet);
    } else {
        pass_on(lane, path, circuit, whole, packet);
    }
}

static void forget_circuit(struct qe_lane *lane, struct lane_circuit *circuit)
{
    uint32_t index = circuit->key[0];
    struct lane_peer *peer = index < lane->peer_slots ? lane->peers[index] : NULL;
    qe_table_remove(lane->circuits, circuit->key);
    qe_free(&lane->host->mem, circuit);
    if (peer && peer->circuit_count > 0 && --peer->circuit_count == 0) lane_relay_free(lane, peer);
}

void lane_on_circuit(struct qe_lane *lane, const struct qe_mail *mail)
{
    struct lane_circuit *circuit = lane_circuit(lane, mail->peer, mail->circuit.number);
    if (mail->circuit.gone) {
        if (circuit) forget_circuit(lane, circuit);
        return;
    }
    struct lane_peer *peer = lane_peer(lane, mail->peer);
    if (!peer || circuit) return;
    circuit = qe_zalloc(&lane->host->mem, 1, sizeof *circuit);
    if (circuit) {
        circuit->key[0] = mail->peer;
        circuit->key[1] = mail->circuit.number;
        circuit->ends = mail->circuit.ends;
        circuit->to_peer = mail->circuit.to_peer;
        circuit->to_number = mail->circuit.to_number;
        if (qe_table_put(lane->circuits, circuit->key, circuit) == 0) {
            peer->circuit_count++;
            return;
        }
    }
    // Packets in it are for nobody, and the peer hears so.
    qe_free(&lane->host->mem, circuit);
    lane_drop(lane, QE_COUNT_DROP_MEMORY, mail->peer);
}

void lane_circuits_forget(struct qe_lane *lane, uint32_t peer)
{
    size_t cursor = 0;
    for (struct lane_circuit *circuit; lane->circuits && (circuit = qe_table_each(lane->circuits, &cursor));)
        if (circuit->key[0] == peer || (!circuit->ends && circuit->to_peer == peer)) forget_circuit(lane, circuit);
}

void lane_circuits_free(struct qe_lane *lane)
{
    size_t cursor = 0;
    for (struct lane_circuit *circuit; lane->circuits && (circuit = qe_table_each(lane->circuits, &cursor));)
        qe_free(&lane->host->mem, circuit);
    qe_table_free(lane->circuits);
    qe_free(&lane->host->mem, lane->inside);
}
