// FQ-CoDel (RFC 8290) with CoDel as in RFC 8289 for each flow. Flows take turns by deficit round robin; a flow that was
// empty goes before those with a backlog, once. Packets are kept in one array that grows as needed and link to each
// other by index; the bytes of each flow are in an array of their own, so that finding the fattest is one pass over a
// few cache lines.
#include "flow/queue.h"

#include "base/mutants.h"
#include "flow/packet.h"

#include <assert.h>
#include <string.h>

#define NONE UINT32_MAX

enum { FLOWS_DEFAULT = 256, PACKETS_DEFAULT = 1024, QUANTUM_DEFAULT = 1500, NODES_FIRST = 32, PACKETS_LIMIT = 1 << 24 };
#define BYTES_DEFAULT    (UINT32_C(4) << 20)
#define TARGET_DEFAULT   UINT64_C(5000000)
#define INTERVAL_DEFAULT UINT64_C(100000000)

struct node {
    struct qe_queue_item item;
    uint64_t since_ns;
    uint32_t next;
};

struct flow {
    struct qe_list turn; // in new_flows, old_flows, or neither while empty
    uint32_t head, tail; // NONE: empty
    int64_t deficit;
    // CoDel (RFC 8289 §5).
    uint64_t above_since_ns; // when the delay will have been above the target for an interval; 0: it is not above
    uint64_t drop_next_ns;
    uint32_t drop_count; // since dropping began
    uint32_t last_count; // of the time before
    bool dropping;
};

struct qe_queue {
    const struct qe_mem *mem;
    struct qe_queue_owner owner;
    struct qe_queue_options options;
    struct flow *flows;
    uint32_t *flow_bytes;
    struct node *nodes;
    uint32_t node_capacity;
    uint32_t node_free; // NONE: all in use
    struct qe_list new_flows, old_flows;
    size_t packets;
    size_t bytes;
    uint64_t marked;
};

static struct qe_queue_options with_defaults(struct qe_queue_options o)
{
    if (o.flow_count == 0) o.flow_count = FLOWS_DEFAULT;
    if (o.bytes_max == 0) o.bytes_max = BYTES_DEFAULT;
    if (o.packets_max == 0) o.packets_max = PACKETS_DEFAULT;
    if (o.target_ns == 0) o.target_ns = TARGET_DEFAULT;
    if (o.interval_ns == 0) o.interval_ns = INTERVAL_DEFAULT;
    if (o.interval_ns > UINT32_MAX) o.interval_ns = UINT32_MAX;
    if (o.quantum == 0) o.quantum = QUANTUM_DEFAULT;
    if (o.bytes_max > INT32_MAX) o.bytes_max = INT32_MAX;
    if (o.packets_max > PACKETS_LIMIT) o.packets_max = PACKETS_LIMIT;
    return o;
}

struct qe_queue *qe_queue_new(
    const struct qe_mem *mem, const struct qe_queue_options *options, const struct qe_queue_owner *owner)
{
    struct qe_queue *queue = qe_zalloc(mem, 1, sizeof *queue);
    if (!queue) return NULL;
    queue->mem = mem;
    queue->owner = *owner;
    queue->options = with_defaults(*options);
    queue->node_free = NONE;
    qe_list_init(&queue->new_flows);
    qe_list_init(&queue->old_flows);
    uint32_t count = queue->options.flow_count;
    queue->flows = qe_zalloc(mem, count, sizeof *queue->flows);
    queue->flow_bytes = qe_zalloc(mem, count, sizeof *queue->flow_bytes);
    if (!queue->flows || !queue->flow_bytes) {
        qe_queue_free(queue);
        return NULL;
    }
    for (uint32_t i = 0; i < count; i++) {
        qe_list_init(&queue->flows[i].turn);
        queue->flows[i].head = queue->flows[i].tail = NONE;
    }
    return queue;
}

size_t qe_queue_packets(const struct qe_queue *queue)
{
    return queue->packets;
}

size_t qe_queue_bytes(const struct qe_queue *queue)
{
    return queue->bytes;
}

uint64_t qe_queue_marked(const struct qe_queue *queue)
{
    return queue->marked;
}

// A free node's index; NONE without memory.
static uint32_t node_take(struct qe_queue *queue)
{
    if (queue->node_free == NONE) {
        uint32_t capacity = queue->node_capacity ? queue->node_capacity * 2 : NODES_FIRST;
        // One more than the packets that may stay, for the one that pushes another out.
        if (capacity > queue->options.packets_max && !QE_MUTANT(queue_unbounded))
            capacity = queue->options.packets_max + 1;
        assert(capacity > queue->node_capacity);
        struct node *nodes = qe_realloc(queue->mem, queue->nodes, capacity, sizeof *nodes);
        if (!nodes) return NONE;
        for (uint32_t i = capacity; i-- > queue->node_capacity;) {
            nodes[i].next = queue->node_free;
            queue->node_free = i;
        }
        queue->nodes = nodes;
        queue->node_capacity = capacity;
    }
    uint32_t index = queue->node_free;
    queue->node_free = queue->nodes[index].next;
    return index;
}

// Takes the oldest packet out of a flow that has one.
static struct node flow_shift(struct qe_queue *queue, struct flow *flow)
{
    uint32_t index = flow->head;
    struct node *node = &queue->nodes[index], out = *node;
    uint32_t size = out.item.buf->size;
    flow->head = node->next;
    if (flow->head == NONE) flow->tail = NONE;
    node->next = queue->node_free;
    queue->node_free = index;
    queue->flow_bytes[flow - queue->flows] -= size;
    if (!QE_MUTANT(queue_bytes)) queue->bytes -= size;
    queue->packets--;
    return out;
}

static void drop(struct qe_queue *queue, struct qe_buf *buf, enum qe_queue_drop why)
{
    queue->owner.drop(queue->owner.user, buf, why);
}

void qe_queue_free(struct qe_queue *queue)
{
    if (!queue) return;
    for (uint32_t i = 0; queue->packets != 0; i++)
        while (queue->flows[i].head != NONE)
            drop(queue, flow_shift(queue, &queue->flows[i]).item.buf, QE_QUEUE_DROP_FULL);
    qe_free(queue->mem, queue->nodes);
    qe_free(queue->mem, queue->flow_bytes);
    qe_free(queue->mem, queue->flows);
    qe_free(queue->mem, queue);
}

static struct flow *fattest(struct qe_queue *queue)
{
    uint32_t most = 0;
    for (uint32_t i = 0; i < queue->options.flow_count; i++)
        most = queue->flow_bytes[i] > most ? queue->flow_bytes[i] : most;
    uint32_t at = 0;
    while (queue->flow_bytes[at] != most || queue->flows[at].head == NONE)
        at++;
    return &queue->flows[at];
}

int qe_queue_push(struct qe_queue *queue, const struct qe_queue_item *item, uint32_t flow_hash, uint64_t now_ns)
{
    uint32_t index = node_take(queue);
    if (index == NONE) return -1;
    uint32_t at = (uint32_t)((uint64_t)flow_hash * queue->options.flow_count >> 32);
    if (QE_MUTANT(queue_one_flow)) at = 0;
    struct flow *flow = &queue->flows[at];
    queue->nodes[index] = (struct node){*item, now_ns, NONE};
    if (flow->tail == NONE)
        flow->head = index;
    else
        queue->nodes[flow->tail].next = index;
    flow->tail = index;
    queue->flow_bytes[at] += item->buf->size;
    queue->bytes += item->buf->size;
    queue->packets++;
    if (qe_list_empty(&flow->turn)) {
        qe_list_append(&queue->new_flows, &flow->turn);
        flow->deficit = queue->options.quantum;
    }
    while (!QE_MUTANT(queue_unbounded) &&
           (queue->bytes > queue->options.bytes_max || queue->packets > queue->options.packets_max)) {
        struct flow *victim = fattest(queue);
        drop(queue, flow_shift(queue, victim).item.buf, QE_QUEUE_DROP_FULL);
        victim->drop_count++; // CoDel takes it for a drop of its own: the flow is told off sooner
    }
    return 0;
}

// The largest integer whose square is not above `value`, digit by digit.
static uint64_t square_root(uint64_t value)
{
    uint64_t root = 0;
    for (uint64_t bit = UINT64_C(1) << 62; bit != 0; bit >>= 2) {
        if (value >= root + bit) {
            value -= root + bit;
            root = (root >> 1) + bit;
        } else {
            root >>= 1;
        }
    }
    return root;
}

// interval / √count from `at_ns` (RFC 8289 §5.3), exactly: √(interval² / count), which fits since interval < 2^32. It
// is computed once a drop, so it need not be approximated.
static uint64_t control_law(const struct qe_queue *queue, uint64_t at_ns, uint32_t count)
{
    uint64_t interval = queue->options.interval_ns;
    return at_ns + square_root(interval * interval / (count ? count : 1));
}

// Takes the flow's next packet and says whether its delay has been too long for long enough (RFC 8289 §5.6, dodequeue).
static bool take_and_judge(struct qe_queue *queue, struct flow *flow, struct node *node, uint64_t now_ns)
{
    *node = flow_shift(queue, flow);
    uint64_t delay = now_ns > node->since_ns ? now_ns - node->since_ns : 0;
    if (QE_MUTANT(codel_eager) && delay > queue->options.target_ns / 1000 && flow->head != NONE) return true;
    if (delay < queue->options.target_ns || queue->flow_bytes[flow - queue->flows] <= queue->options.quantum) {
        flow->above_since_ns = 0;
        return false;
    }
    if (flow->above_since_ns == 0) {
        flow->above_since_ns = now_ns + queue->options.interval_ns;
        return false;
    }
    return now_ns >= flow->above_since_ns && !QE_MUTANT(codel_never);
}

// Tells the flow that it is too fast: by a mark where it listens to marks (then the packet stays and this is true),
// else by the loss of the packet.
static bool mark_or_drop(struct qe_queue *queue, struct qe_buf *buf)
{
    if (qe_packet_mark_ce(qe_buf_bytes(buf), buf->size)) {
        queue->marked++;
        return true;
    }
    drop(queue, buf, QE_QUEUE_DROP_CODEL);
    return false;
}

// A flow that was told off only just now goes on where it was (RFC 8289 §5.5: 16 intervals).
static void begin_dropping(const struct qe_queue *queue, struct flow *flow, uint64_t now_ns)
{
    uint32_t delta = flow->drop_count - flow->last_count;
    bool recently = now_ns < flow->drop_next_ns || now_ns - flow->drop_next_ns < 16 * queue->options.interval_ns;
    flow->dropping = true;
    flow->drop_count = recently && delta > 1 ? delta : 1;
    flow->last_count = flow->drop_count;
    flow->drop_next_ns = control_law(queue, now_ns, flow->drop_count);
}

// The next packet that CoDel lets through, or false where it dropped all there were.
static bool codel_pop(struct qe_queue *queue, struct flow *flow, struct node *node, uint64_t now_ns)
{
    if (flow->head == NONE) {
        flow->dropping = false;
        return false;
    }
    bool bad = take_and_judge(queue, flow, node, now_ns);
    if (!bad) {
        flow->dropping = false;
        return true;
    }
    if (!flow->dropping) {
        bool kept = mark_or_drop(queue, node->item.buf);
        begin_dropping(queue, flow, now_ns);
        if (kept) return true;
        // There is another: a flow whose backlog is no more than a quantum is never judged bad.
        take_and_judge(queue, flow, node, now_ns);
        return true;
    }
    while (flow->dropping && now_ns >= flow->drop_next_ns) {
        if (flow->drop_count != UINT32_MAX) flow->drop_count++;
        flow->drop_next_ns = control_law(queue, flow->drop_next_ns, flow->drop_count);
        if (mark_or_drop(queue, node->item.buf)) return true;
        flow->dropping = take_and_judge(queue, flow, node, now_ns);
    }
    return true;
}

bool qe_queue_pop(struct qe_queue *queue, struct qe_queue_item *item, uint64_t now_ns)
{
    for (;;) {
        bool is_new = !qe_list_empty(&queue->new_flows);
        if (!is_new && qe_list_empty(&queue->old_flows)) return false;
        struct qe_list *first = is_new ? queue->new_flows.next : queue->old_flows.next;
        struct flow *flow = qe_container(first, struct flow, turn);
        if (flow->deficit <= 0) {
            flow->deficit += queue->options.quantum;
            qe_list_remove(first);
            qe_list_append(&queue->old_flows, first);
            continue;
        }
        struct node node;
        if (codel_pop(queue, flow, &node, now_ns)) {
            flow->deficit -= node.item.buf->size;
            *item = node.item;
            return true;
        }
        // A new flow that emptied waits its turn among the old ones, else it could come back as new at once and starve
        // them (RFC 8290 §4.2).
        qe_list_remove(first);
        if (is_new && !qe_list_empty(&queue->old_flows)) qe_list_append(&queue->old_flows, first);
    }
}
