#include "cli/id.h"

#include "dirs.h"
#include "identity.h"
#include "identity/identity.h"

static int read_id(const char *state_dir, char text[QE_NODE_ID_TEXT_SIZE], struct qe_fault *fault)
{
    struct qe_dirs dirs;
    struct qe_identity *identity;
    if (!state_dir) {
        if (qe_dirs_default(&dirs, fault) != 0) return -1;
        state_dir = dirs.state;
    }
    if (qe_dirs_make(state_dir, 0700, fault) != 0 || qe_identity_open(&identity, state_dir, fault) != 0) return -1;
    struct qe_key key = qe_identity_public(identity);
    struct qe_node_id id = qe_node_id_from_key(&key);
    qe_node_id_format(&id, text);
    qe_identity_close(identity);
    return 0;
}

int qe_cli_id(const struct qe_cli_options *options, FILE *out, FILE *err)
{
    char text[QE_NODE_ID_TEXT_SIZE];
    struct qe_fault fault;
    if (read_id(options->state_dir, text, &fault) != 0) {
        fprintf(err, "quicether: %s\n", fault.text);
        return (int)fault.exit;
    }
    fprintf(out, options->json ? "{\"node_id\":\"%s\"}\n" : "%s\n", text);
    return QE_EXIT_OK;
}
