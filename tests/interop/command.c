#include "command.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#define WORDS_MAX 8

struct bytes {
    uint8_t data[2048];
    struct qe_span span;
};

static void hex_to(struct bytes *out, const char *word)
{
    size_t size = 0;
    if (strcmp(word, "-") != 0) sodium_hex2bin(out->data, sizeof out->data, word, strlen(word), NULL, &size, NULL);
    out->span = qe_span(out->data, size);
}

static void id_to(struct qe_node_id *out, const char *word)
{
    struct bytes bytes;
    hex_to(&bytes, word);
    memset(out->bytes, 0, sizeof out->bytes);
    if (bytes.span.size == sizeof out->bytes) memcpy(out->bytes, bytes.data, sizeof out->bytes);
}

static void print_hex(const char *name, struct qe_span bytes)
{
    char text[2 * 2048 + 1];
    printf(", \"%s\": \"%s\"", name, sodium_bin2hex(text, sizeof text, bytes.data, bytes.size));
}

static void print_stats(const struct command *command, const char *tag)
{
    struct qe_dht_stats s;
    struct qe_addr external = {0};
    char text[QE_ADDR_TEXT_SIZE];
    qe_dht_stats(command->dht, &s);
    bool agreed = qe_dht_external(command->dht, 4, &external);
    printf("%s {\"joined\": %s, \"nodes\": %zu, \"good_nodes\": %zu, \"items\": %zu, \"peers\": %zu, \"records\": %zu, "
           "\"dropped_malformed\": %" PRIu64 ", \"errors_received\": %" PRIu64 ", \"timeouts\": %" PRIu64
           ", \"external\": \"%s\"}\n",
        tag, qe_dht_joined(command->dht) ? "true" : "false", s.nodes, s.good_nodes, s.items, s.peers, s.records,
        s.dropped_malformed, s.errors_received, s.timeouts, agreed ? qe_addr_format(&external, text) : "");
}

static void start(struct command *command, const char *tag, const struct qe_dht_request *request, uint64_t now_ns)
{
    size_t at = 0;
    while (at < COMMAND_PENDING_MAX && command->pending[at].operation != 0)
        at++;
    uint64_t operation = at < COMMAND_PENDING_MAX ? qe_dht_start(command->dht, request, now_ns) : 0;
    if (operation == 0) {
        printf("%s {\"outcome\": \"not started\"}\n", tag);
        return;
    }
    command->pending[at].operation = operation;
    snprintf(command->pending[at].tag, COMMAND_TAG_SIZE, "%s", tag);
}

static void print_records(const struct qe_dht_answer *answer)
{
    char text[2 * QE_DHT_RECORD_MAX + 1];
    printf(", \"records\": [");
    for (size_t i = 0; i < answer->record_count; i++)
        printf("%s{\"seq\": %" PRIu64 ", \"certified\": %s, \"age_s\": %" PRIu64 ", \"value\": \"%s\"}", i ? ", " : "",
            answer->records[i].seq, answer->records[i].certified ? "true" : "false", answer->records[i].age_s,
            sodium_bin2hex(text, sizeof text, answer->records[i].value.data, answer->records[i].value.size));
    printf("]");
}

void command_on_answer(void *user, const struct qe_dht_answer *answer)
{
    static const char *const outcomes[] = {"done", "not found", "no nodes", "cancelled"};
    struct command *command = user;
    size_t at = 0;
    if (!answer->final) return;
    while (at < COMMAND_PENDING_MAX && command->pending[at].operation != answer->operation)
        at++;
    if (at == COMMAND_PENDING_MAX) return;
    printf("%s {\"outcome\": \"%s\", \"stored\": %u, \"error\": %d, \"hops\": %u, \"queries\": %u, \"timeouts\": %u, "
           "\"elapsed_us\": %" PRIu64,
        command->pending[at].tag, outcomes[answer->outcome], answer->stored, answer->error_code, answer->hops,
        answer->queries, answer->timeouts, answer->elapsed_us);
    if (answer->item) {
        printf(", \"seq\": %" PRId64, answer->item->mutable ? answer->item->seq : 0);
        print_hex("value", answer->item->value);
    }
    printf(", \"peers\": [");
    for (size_t i = 0; i < answer->peer_count; i++) {
        char text[QE_ADDR_TEXT_SIZE];
        printf("%s\"%s\"", i ? ", " : "", qe_addr_format(&answer->peers[i], text));
    }
    printf("]");
    print_records(answer);
    printf("}\n");
    command->pending[at].operation = 0;
}

// For those who talk to nodes without a library for keys.
static void sign(char **words)
{
    struct bytes seed, salt, value;
    uint8_t secret[64], expanded[64], text[QE_DHT_SIGNED_MAX];
    struct qe_dht_item item = {.mutable = true, .seq = strtoll(words[4], NULL, 10)};
    hex_to(&seed, words[2]);
    hex_to(&salt, words[3]);
    hex_to(&value, words[5]);
    item.salt = salt.span;
    item.value = value.span;
    crypto_sign_seed_keypair(item.key.bytes, secret, seed.data);
    crypto_sign_detached(item.signature, NULL, text, qe_dht_item_signed(&item, text), secret);
    // RFC 8032 §5.1.5: what libtorrent takes for a private key.
    crypto_hash_sha512(expanded, seed.data, 32);
    expanded[0] &= 248;
    expanded[31] = (uint8_t)((expanded[31] & 63) | 64);
    printf("%s {\"outcome\": \"done\"", words[0]);
    print_hex("key", qe_span(item.key.bytes, 32));
    print_hex("expanded", qe_span(expanded, 64));
    print_hex("signature", qe_span(item.signature, 64));
    printf("}\n");
}

static void put(struct command *command, char **words, uint64_t now_ns)
{
    struct bytes seed, salt, value;
    uint8_t secret[64], text[QE_DHT_SIGNED_MAX];
    struct qe_dht_item item = {.mutable = true, .seq = strtoll(words[4], NULL, 10)};
    hex_to(&seed, words[2]);
    hex_to(&salt, words[3]);
    hex_to(&value, words[5]);
    item.salt = salt.span;
    item.value = value.span;
    crypto_sign_seed_keypair(item.key.bytes, secret, seed.data);
    crypto_sign_detached(item.signature, NULL, text, qe_dht_item_signed(&item, text), secret);
    struct qe_dht_request request = {.kind = QE_DHT_PUT, .item = &item};
    request.has_cas = strcmp(words[6], "-") != 0;
    if (request.has_cas) request.cas = strtoll(words[6], NULL, 10);
    start(command, words[0], &request, now_ns);
}

static void put_immutable(struct command *command, char **words, uint64_t now_ns)
{
    struct bytes value;
    hex_to(&value, words[2]);
    struct qe_dht_item item = {.value = value.span};
    struct qe_dht_request request = {.kind = QE_DHT_PUT, .item = &item};
    start(command, words[0], &request, now_ns);
}

static void put_record(struct command *command, char **words, uint64_t now_ns)
{
    struct bytes seed, authority, value;
    uint8_t secret[64], text[QE_DHT_SIGNED_MAX];
    struct qe_dht_record record = {.certified = true, .seq = strtoull(words[4], NULL, 10)};
    hex_to(&seed, words[2]);
    hex_to(&authority, words[3]);
    hex_to(&value, words[5]);
    record.value = value.span;
    crypto_sign_seed_keypair(record.owner.bytes, secret, seed.data);
    crypto_sign_seed_keypair(record.authority.bytes, secret, authority.data);
    struct qe_dht_request request = {.kind = QE_DHT_INDEX_PUT, .record = &record};
    request.target = qe_node_id_from_key(&record.authority);
    crypto_sign_detached(record.certificate, NULL, text, qe_dht_certificate_signed(&record.owner, text), secret);
    crypto_sign_seed_keypair(record.owner.bytes, secret, seed.data);
    crypto_sign_detached(record.signature, NULL, text, qe_dht_record_signed(&record, &request.target, text), secret);
    start(command, words[0], &request, now_ns);
}

static void look_up(struct command *command, enum qe_dht_kind kind, char **words, uint64_t now_ns)
{
    struct bytes salt = {.span = {0}};
    struct qe_dht_request request = {.kind = kind};
    id_to(&request.target, words[2]);
    if (kind == QE_DHT_GET) hex_to(&salt, words[3]), request.salt = salt.span;
    if (kind == QE_DHT_ANNOUNCE) request.port = (uint16_t)strtoul(words[3], NULL, 10);
    start(command, words[0], &request, now_ns);
}

void command_run(struct command *command, char *line, uint64_t now_ns)
{
    static char none[] = "-";
    char *words[WORDS_MAX], *rest = line;
    size_t count = 0;
    for (char *word; count < WORDS_MAX && (word = strtok_r(rest, " ", &rest));)
        words[count++] = word;
    for (size_t i = count; i < WORDS_MAX; i++)
        words[i] = none;
    if (strcmp(words[1], "stats") == 0) print_stats(command, words[0]);
    if (strcmp(words[1], "get") == 0) look_up(command, QE_DHT_GET, words, now_ns);
    if (strcmp(words[1], "peers") == 0) look_up(command, QE_DHT_GET_PEERS, words, now_ns);
    if (strcmp(words[1], "announce") == 0) look_up(command, QE_DHT_ANNOUNCE, words, now_ns);
    if (strcmp(words[1], "index") == 0) look_up(command, QE_DHT_INDEX_GET, words, now_ns);
    if (strcmp(words[1], "sign") == 0) sign(words);
    if (strcmp(words[1], "put") == 0) put(command, words, now_ns);
    if (strcmp(words[1], "put-immutable") == 0) put_immutable(command, words, now_ns);
    if (strcmp(words[1], "index-put") == 0) put_record(command, words, now_ns);
}
