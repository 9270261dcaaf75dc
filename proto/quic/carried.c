// Noting what each packet carries, for a host that asks. The owner says what its datagrams are; of the rest ngtcp2's
// qlog tells, which has one record for each packet sent, with all its frames: what ngtcp2 sends by itself, and sends
// again, is known nowhere else.
#include "quic/internal.h"

#include "wire/wire.h"

// A place in the text of a record.
struct text {
    const char *at, *end;
};

// Moves behind the next `word`; false where there is none.
static bool skip_to(struct text *text, const char *word)
{
    size_t size = strlen(word);
    for (; (size_t)(text->end - text->at) >= size; text->at++) {
        if (memcmp(text->at, word, size) != 0) continue;
        text->at += size;
        return true;
    }
    return false;
}

static bool is(const struct text *text, const char *word)
{
    size_t size = strlen(word);
    return (size_t)(text->end - text->at) >= size && memcmp(text->at, word, size) == 0;
}

static uint64_t number_after(struct text text, const char *word)
{
    uint64_t number = 0;
    if (!skip_to(&text, word)) return 0;
    for (; text.at < text.end && *text.at >= '0' && *text.at <= '9'; text.at++)
        number = number * 10 + (uint64_t)(*text.at - '0');
    return number;
}

static uint64_t of_message(uint8_t type)
{
    switch (type) {
    case QE_MESSAGE_HELLO:
        return QE_CARRIED_BIT(HELLO);
    case QE_MESSAGE_PROOF:
        return QE_CARRIED_BIT(PROOF);
    case QE_MESSAGE_JOIN:
        return QE_CARRIED_BIT(JOIN);
    case QE_MESSAGE_WELCOME:
        return QE_CARRIED_BIT(WELCOME);
    default:
        return 0;
    }
}

// The messages that a range of the control stream has a part of.
static uint64_t of_control(const struct qe_carried_messages *said, uint64_t offset, uint64_t size)
{
    uint64_t bits = QE_CARRIED_BIT(CONTROL), start = 0;
    for (size_t i = 0; said && i < said->count; start = said->ends[i++])
        if (offset < said->ends[i] && offset + size > start) bits |= of_message(said->types[i]);
    return bits;
}

static uint64_t of_frame(const struct qe_conn *conn, const struct text *frame, bool one_rtt)
{
    static const struct {
        const char *name;
        uint64_t bit;
    } frames[] = {{"ack\"", QE_CARRIED_BIT(ACK)}, {"ping\"", QE_CARRIED_BIT(PING)},
        {"path_challenge\"", QE_CARRIED_BIT(PATH_CHALLENGE)}, {"path_response\"", QE_CARRIED_BIT(PATH_RESPONSE)},
        {"new_connection_id\"", QE_CARRIED_BIT(NEW_CONNECTION_ID)},
        {"retire_connection_id\"", QE_CARRIED_BIT(RETIRE_CONNECTION_ID)},
        {"handshake_done\"", QE_CARRIED_BIT(HANDSHAKE_DONE)}};
    if (is(frame, "stream\""))
        return of_control(conn->said, number_after(*frame, "\"offset\":"), number_after(*frame, "\"length\":"));
    if (is(frame, "crypto\"")) return one_rtt ? QE_CARRIED_BIT(TICKET) : QE_CARRIED_BIT(CRYPTO);
    for (size_t i = 0; i < sizeof frames / sizeof frames[0]; i++)
        if (is(frame, frames[i].name)) return frames[i].bit;
    return 0;
}

void qe_carried_on_qlog(struct qe_conn *conn, struct qe_span record)
{
    struct text text = {(const char *)record.data, (const char *)record.data + record.size};
    if (!skip_to(&text, "\"transport:packet_sent\"")) return;
    struct text header = text;
    bool one_rtt = skip_to(&header, "\"packet_type\":") && is(&header, "\"1RTT\"");
    while (skip_to(&text, "{\"frame_type\":\""))
        conn->quic->carried->packet |= of_frame(conn, &text, one_rtt);
}

void qe_carried_on_said(struct qe_conn *conn, struct qe_span messages)
{
    struct qe_carried_messages *said = conn->said;
    uint64_t end = said ? conn->control.end - messages.size : 0;
    for (size_t at = 0; said && at + 3 <= messages.size && said->count < QE_CARRIED_MESSAGES_MAX;) {
        size_t size = 2 + (size_t)qe_load16(messages.data + at);
        said->types[said->count] = messages.data[at + 2];
        said->ends[said->count++] = end += size;
        at += size;
    }
}
