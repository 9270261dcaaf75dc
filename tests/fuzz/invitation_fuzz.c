// An invitation's line and the messages that redeem it: what parses is what is written again, and nothing else happens.
#include "identity/invitation.h"
#include "wire/member.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct qe_invitation invitation;
    char text[QE_INVITATION_TEXT_SIZE];
    char *line = malloc(size + 1);
    if (!line) abort();
    if (size) memcpy(line, data, size);
    line[size] = '\0';
    if (qe_invitation_parse(line, &invitation) && (!qe_invitation_format(&invitation, text) || strcmp(text, line) != 0))
        abort();
    free(line);

    uint8_t bytes[QE_SECRET_HANDED_SIZE];
    enum qe_decline why;
    struct qe_span body = {data, size};
    qe_proof_decode(body, bytes);
    qe_join_decode(body, bytes);
    qe_welcome_decode(body, bytes);
    if (qe_decline_decode(body, &why) && !qe_decline_text(why)) abort();
    return 0;
}
