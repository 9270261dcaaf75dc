// A DHT node in a scripted network: operations begin and are cancelled, time passes, and whatever the node asks is
// answered by what the input says, under the right transaction and from the right address where the input wants that.
// What must hold: every operation ends once and in time, what is found was signed, and what is held is bounded.
#include "base/time.h"
#include "dht/krpc.h"
#include "dht/network.h"

#include "mem.h"

#include <assert.h>
#include <string.h>

#define ASKED_MAX      32
#define OPERATIONS_MAX 64

struct asked {
    struct qe_addr to;
    uint8_t transaction[4];
};

static struct {
    struct qe_dht *dht;
    struct qe_reader in;
    uint64_t now_ns;
    uint64_t state; // of the generator
    struct asked asked[ASKED_MAX];
    size_t asked_count;
    uint64_t running[OPERATIONS_MAX];
    size_t running_count;
} world;

static void random_bytes(void *user, uint8_t *out, size_t size)
{
    (void)user;
    while (size-- > 0) {
        world.state = world.state * UINT64_C(6364136223846793005) + 1442695040888963407;
        *out++ = (uint8_t)(world.state >> 56);
    }
}

static void answered(void *user, const struct qe_dht_answer *answer)
{
    (void)user;
    size_t i = 0;
    while (i < world.running_count && world.running[i] != answer->operation)
        i++;
    // One that is being started is not in the list yet, and must not be answered.
    assert(i < world.running_count);
    if (answer->item) {
        struct qe_node_id target = qe_dht_item_target(answer->item);
        assert(qe_node_id_equal(&target, &answer->target) && qe_dht_item_verify(answer->item));
    }
    for (size_t r = 0; r < answer->record_count; r++)
        assert(qe_dht_record_verify(&answer->records[r], &answer->target));
    if (answer->final) world.running[i] = world.running[--world.running_count];
}

static struct qe_addr address(uint8_t which)
{
    struct qe_addr addr = {.ip = qe_ip4((uint8_t)(which & 64 ? 10 : 20 + (which & 7)), (uint8_t)(which >> 3), 1, 1),
        .port = (uint16_t)(which == 255 ? 0 : 1000)};
    if (which % 5 == 4) {
        uint8_t bytes[16] = {0x20, 1, which};
        addr.ip = qe_ip6(bytes);
    }
    return addr;
}

static void drain(void)
{
    static uint8_t out[QE_DHT_DATAGRAM_MAX];
    struct qe_dht_send send;
    size_t count = 0;
    while (qe_dht_next(world.dht, out, &send, world.now_ns)) {
        struct qe_krpc message;
        assert(send.size <= sizeof out && ++count < 20000);
        assert(qe_dht_is_krpc(out, send.size) && qe_krpc_read(qe_span(out, send.size), &message) && message.canonical);
        if (message.type != QE_KRPC_QUERY) continue;
        struct asked *asked = &world.asked[world.asked_count++ % ASKED_MAX];
        asked->to = send.to;
        memcpy(asked->transaction, message.transaction.data, 4);
    }
}

static void id(struct qe_node_id *out)
{
    memset(out, 0, sizeof *out);
    out->bytes[0] = qe_read8(&world.in);
    out->bytes[1] = qe_read8(&world.in);
}

static void answer_one(void)
{
    if (world.asked_count == 0) return;
    size_t have = world.asked_count < ASKED_MAX ? world.asked_count : ASKED_MAX;
    struct asked asked = world.asked[qe_read8(&world.in) % have];
    uint8_t flags = qe_read8(&world.in), more = qe_read8(&world.in);
    struct qe_krpc reply = {.type = flags & 1 ? QE_KRPC_ERROR : QE_KRPC_REPLY,
        .transaction = qe_span(asked.transaction, 4),
        .version = qe_span(QE_KRPC_VERSION, 4),
        .has_id = true,
        .error_code = more,
        .error_text = qe_read_bytes(&world.in, more & 7)};
    id(&reply.id);
    if (flags & 2) reply.nodes = qe_read_bytes(&world.in, more % 8 * QE_KRPC_NODE4_SIZE + (more & 1));
    if (flags & 4) reply.nodes6 = qe_read_bytes(&world.in, more % 4 * QE_KRPC_NODE6_SIZE);
    if (flags & 8) reply.token = qe_read_bytes(&world.in, more % 70);
    if (flags & 16) {
        reply.key = qe_read_bytes(&world.in, more & 1 ? 32 : more);
        reply.signature = qe_read_bytes(&world.in, more & 2 ? 64 : more);
        reply.has_seq = more & 4;
        reply.seq = more;
        reply.value = qe_span("2:ab", 4);
    }
    if (flags & 32) {
        reply.has_records = true;
        reply.records = qe_span("3:abc", 5);
        reply.next = qe_read_bytes(&world.in, more & 8 ? 33 : 0);
        reply.has_age = more & 16;
    }
    if (flags & 64) {
        reply.has_ip = true;
        reply.ip = address(more);
    }
    uint8_t bytes[QE_KRPC_READ_MAX];
    size_t size = qe_krpc_write(&reply, bytes, sizeof bytes);
    // The rest as it comes, so that no field has to be thought of here.
    if ((flags & 128) && size > 4) bytes[qe_read8(&world.in) % size] = qe_read8(&world.in);
    struct qe_addr from = asked.to;
    if (more == 77) from.port++;
    qe_dht_receive(world.dht, 1, &from, qe_span(bytes, size), world.now_ns);
}

static void receive_raw(void)
{
    struct qe_addr from = address(qe_read8(&world.in));
    size_t size = qe_read8(&world.in);
    struct qe_span bytes =
        qe_read_bytes(&world.in, size < qe_reader_left(&world.in) ? size : qe_reader_left(&world.in));
    uint8_t *copy = malloc(bytes.size ? bytes.size : 1);
    if (bytes.size) memcpy(copy, bytes.data, bytes.size);
    qe_dht_receive(world.dht, 2, &from, qe_span(copy, bytes.size), world.now_ns);
    free(copy);
}

static void query(void)
{
    uint8_t which = qe_read8(&world.in), more = qe_read8(&world.in);
    struct qe_krpc message = {.type = QE_KRPC_QUERY,
        .method = (enum qe_krpc_method)(1 + which % QE_KRPC_INDEX_PUT),
        .transaction = qe_span("q", 1),
        .has_id = true,
        .read_only = more & 1,
        .has_target = more & 2,
        .want4 = more & 4,
        .want6 = more & 8};
    id(&message.id);
    id(&message.target);
    uint8_t bytes[QE_DHT_DATAGRAM_MAX];
    size_t size = qe_krpc_write(&message, bytes, sizeof bytes);
    struct qe_addr from = address(more);
    qe_dht_receive(world.dht, 3, &from, qe_span(bytes, size), world.now_ns);
}

static void start(void)
{
    static const struct qe_dht_item item = {.value = {(const uint8_t *)"2:ab", 4}};
    struct qe_dht_record record = {.seq = 1, .value = qe_span("xy", 2)};
    struct qe_dht_request request = {.kind = (enum qe_dht_kind)(qe_read8(&world.in) % (QE_DHT_PING + 1)),
        .item = &item,
        .record = &record,
        .addr = address(qe_read8(&world.in))};
    id(&request.target);
    if (request.target.bytes[1] == 1) request.target = qe_dht_item_target(&item);
    if (world.running_count == OPERATIONS_MAX) return;
    uint64_t number = qe_dht_start(world.dht, &request, world.now_ns);
    if (number) world.running[world.running_count++] = number;
}

static void pass(uint64_t ns)
{
    uint64_t until_ns = world.now_ns + ns;
    for (unsigned n = 0; qe_dht_deadline(world.dht) <= until_ns; n++) {
        assert(n < 100000);
        if (qe_dht_deadline(world.dht) > world.now_ns) world.now_ns = qe_dht_deadline(world.dht);
        qe_dht_expire(world.dht, world.now_ns);
        assert(qe_dht_deadline(world.dht) > world.now_ns);
        drain();
    }
    world.now_ns = until_ns;
}

static void step(void)
{
    struct qe_dht_contact contact;
    switch (qe_read8(&world.in) % 12) {
    case 0:
        receive_raw();
        break;
    case 1:
        query();
        break;
    case 2:
        start();
        break;
    case 3:
        if (world.running_count) qe_dht_cancel(world.dht, world.running[qe_read8(&world.in) % world.running_count]);
        break;
    case 4:
        pass(qe_read8(&world.in) * 20 * QE_NS_PER_MS);
        break;
    case 5:
        pass((uint64_t)qe_read8(&world.in) * 10 * QE_NS_PER_S);
        break;
    case 6:
        id(&contact.id);
        contact.addr = address(qe_read8(&world.in));
        qe_dht_add_contact(world.dht, &contact, world.now_ns);
        break;
    case 7:
        contact.addr = address(qe_read8(&world.in));
        qe_dht_add_bootstrap(world.dht, &contact.addr, world.now_ns);
        break;
    case 8:
        qe_dht_on_network_change(world.dht, world.now_ns);
        break;
    default:
        answer_one();
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    memset(&world, 0, sizeof world);
    world.in = qe_reader(qe_span(data, size));
    world.now_ns = QE_NS_PER_S;
    uint8_t flags = qe_read8(&world.in);
    struct qe_dht_options options = {.mem = fuzz_mem(),
        .id = {{0x40}},
        .random = random_bytes,
        .answer = answered,
        .read_only = flags & 1,
        .bootstrap = flags & 2,
        .mainline = flags & 4,
        .exempt_private = flags & 8};
    if (qe_dht_new(&world.dht, &options, world.now_ns) != 0) abort();
    for (unsigned n = 0; n < 400 && qe_reader_left(&world.in) > 0; n++) {
        step();
        drain();
        struct qe_dht_stats stats;
        qe_dht_stats(world.dht, &stats);
        assert(stats.memory_bytes < 4000000);
    }
    // Without a word from anybody whatever was begun ends.
    pass(120 * QE_NS_PER_S);
    assert(world.running_count == 0);
    qe_dht_free(world.dht);
    return 0;
}
