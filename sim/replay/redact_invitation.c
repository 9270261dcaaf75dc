#include "replay/redact_invitation.h"

#include "wire/member.h"
#include "wire/wire.h"

#include <sodium.h>
#include <string.h>

void sim_redact_token(const uint8_t key[QE_RECORD_HASH_KEY_SIZE], uint8_t token[QE_INVITATION_TOKEN_SIZE])
{
    uint8_t out[QE_INVITATION_TOKEN_SIZE];
    crypto_generichash(out, sizeof out, token, QE_INVITATION_TOKEN_SIZE, key, QE_RECORD_HASH_KEY_SIZE);
    memcpy(token, out, sizeof out);
}

void sim_redact_invitation(const uint8_t key[QE_RECORD_HASH_KEY_SIZE], char *line, size_t size)
{
    struct qe_invitation invitation;
    char text[QE_INVITATION_TEXT_SIZE] = "";
    bool whole = size < sizeof text;
    if (whole) memcpy(text, line, size);
    whole = whole && qe_invitation_parse(text, &invitation);
    if (whole) {
        sim_redact_token(key, invitation.token);
        whole = qe_invitation_format(&invitation, text) && strlen(text) == size;
    }
    if (whole)
        memcpy(line, text, size);
    else
        memset(line, '?', size);
}

void sim_redact_joins(uint8_t *bytes, size_t size)
{
    static const uint8_t head[] = {0, 1 + QE_TOKEN_SIZE, QE_MESSAGE_JOIN};
    for (size_t at = 0; at + sizeof head < size; at++) {
        if (memcmp(bytes + at, head, sizeof head) != 0) continue;
        size_t left = size - at - sizeof head;
        memset(bytes + at + sizeof head, 0, left < QE_TOKEN_SIZE ? left : QE_TOKEN_SIZE);
    }
}
