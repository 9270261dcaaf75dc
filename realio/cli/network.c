#include "cli/network.h"

#include "cli/call.h"
#include "cli/plain.h"

#include "dirs.h"
#include "identity/invitation.h"
#include "lock.h"
#include "netkey.h"
#include "store.h"

#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int complain(FILE *err, const struct qe_fault *fault)
{
    fprintf(err, "quicether: %s\n", fault->text);
    return (int)fault->exit;
}

// The state directory of these options, made where it is missing. 0, or -1 with `fault`.
static int find_state(const struct qe_cli_options *options, char state[QE_PATH_SIZE], struct qe_fault *fault)
{
    struct qe_dirs dirs;
    if (!options->state_dir && qe_dirs_default(&dirs, fault) != 0) return -1;
    const char *found = options->state_dir ? options->state_dir : dirs.state;
    if (snprintf(state, QE_PATH_SIZE, "%s", found) >= QE_PATH_SIZE)
        return qe_fault_set(fault, QE_EXIT_STATE, "path too long: %s", found);
    return qe_dirs_make(state, 0700, fault);
}

// Keeps daemons away while the state is changed: a descriptor to close, or -1 with `fault`.
static int lock_state(const char *state, struct qe_fault *fault)
{
    int lock = qe_lock_take(state, fault);
    if (lock < 0 && fault->exit == QE_EXIT_RUNNING)
        qe_fault_set(
            fault, QE_EXIT_RUNNING, "a daemon uses the state directory %s; stop it first with 'quicether stop'", state);
    return lock;
}

static void tell_network(const struct qe_cli_options *options, const char *id, FILE *out)
{
    if (options->json)
        fprintf(out, *id ? "{\"network_id\":\"%s\"}\n" : "{\"network_id\":null}\n", id);
    else if (*id)
        fprintf(out, "Network: %s\n", id);
    else
        fputs("Network: none\n", out);
}

static int make(const struct qe_cli_options *options, const char *state, FILE *out, struct qe_fault *fault)
{
    struct qe_network *network;
    char id[QE_NETWORK_ID_SIZE];
    int result = qe_network_open(&network, state, fault);
    // What cannot be read is replaced, too.
    if (result != 0 && options->force && qe_network_erase(state, fault) == 0)
        result = qe_network_open(&network, state, fault);
    if (result != 0) return -1;
    if (qe_network_member(network) && !options->force)
        result = qe_fault_set(fault, QE_EXIT_FAILED,
            "this node is in network %s already, and a new one replaces it; --force does so",
            qe_network_id(network, id));
    else
        result = qe_network_make(network, fault);
    if (result == 0) tell_network(options, qe_network_id(network, id), out);
    qe_network_close(network);
    return result;
}

int qe_cli_network_new(const struct qe_cli_options *options, FILE *out, FILE *err)
{
    char state[QE_PATH_SIZE];
    struct qe_fault fault;
    if (find_state(options, state, &fault) != 0) return complain(err, &fault);
    int lock = lock_state(state, &fault);
    if (lock < 0) return complain(err, &fault);
    int result = make(options, state, out, &fault);
    close(lock);
    return result == 0 ? QE_EXIT_OK : complain(err, &fault);
}

static int leave(const struct qe_cli_options *options, const char *state, FILE *out, struct qe_fault *fault)
{
    struct qe_network *network = NULL;
    bool readable = qe_network_open(&network, state, fault) == 0;
    bool member = readable && qe_network_member(network);
    qe_network_close(network);
    if (!readable && !options->force) return -1;
    if (readable && !member) return qe_fault_set(fault, QE_EXIT_FAILED, "this node is in no network");
    if (qe_network_erase(state, fault) != 0) return -1;
    tell_network(options, "", out);
    return 0;
}

int qe_cli_network_leave(const struct qe_cli_options *options, FILE *out, FILE *err)
{
    char state[QE_PATH_SIZE];
    struct qe_fault fault;
    if (find_state(options, state, &fault) != 0) return complain(err, &fault);
    int lock = lock_state(state, &fault);
    if (lock < 0) return complain(err, &fault);
    int result = leave(options, state, out, &fault);
    close(lock);
    return result == 0 ? QE_EXIT_OK : complain(err, &fault);
}

static int show_stored(const struct qe_cli_world *world)
{
    char state[QE_PATH_SIZE], id[QE_NETWORK_ID_SIZE];
    struct qe_fault fault;
    struct qe_network *network;
    if (find_state(world->options, state, &fault) != 0 || qe_network_open(&network, state, &fault) != 0)
        return complain(world->err, &fault);
    tell_network(world->options, qe_network_id(network, id), world->out);
    qe_network_close(network);
    return QE_EXIT_OK;
}

static int show_network(const json_t *status, FILE *out)
{
    const json_t *network = json_object_get(status, "network"), *claim = json_object_get(status, "name_claim");
    const char *id = qe_plain_text(network, "id"), *joining = qe_plain_text(network, "joining");
    const char *error = qe_plain_text(network, "error"), *name = qe_plain_text(status, "name");
    const char *state = qe_plain_text(claim, "state");
    fputs("Network: ", out);
    qe_plain_put(id ? id : "none", out);
    fputs("\n", out);
    if (id) fprintf(out, "Members known: %" PRId64 "\n", qe_plain_number(network, "members"));
    if (id && name && state) {
        fputs("Name: ", out);
        qe_plain_put(name, out);
        fputs(" (", out);
        qe_plain_put(state, out);
        fputs(")\n", out);
    }
    if (joining) {
        fputs("Joining through: ", out);
        qe_plain_put(joining, out);
        fputs("\n", out);
    }
    if (error) {
        fputs("Not joined: ", out);
        qe_plain_put(error, out);
        fputs("\n", out);
    }
    return 0;
}

int qe_cli_network_show(const struct qe_cli_world *world)
{
    struct qe_client_reply reply;
    struct qe_client_request request = {.socket_path = world->control,
        .method = "GET",
        .target = "/v1/status",
        .timeout_ms = QE_CLIENT_TIMEOUT_MS,
        .interrupt_fd = -1};
    enum qe_client_outcome outcome = qe_client_call(&request, &reply);
    int status;
    if (outcome == QE_CLIENT_UNREACHABLE && reply.absent && !world->options->control)
        status = show_stored(world);
    else if (outcome == QE_CLIENT_OK && world->options->json) {
        const char *id = qe_plain_text(json_object_get(reply.json, "network"), "id");
        tell_network(world->options, id && strlen(id) < QE_NETWORK_ID_SIZE ? id : "", world->out);
        status = QE_EXIT_OK;
    } else
        status = qe_cli_show_reply(world, outcome, &reply, show_network);
    qe_client_reply_fini(&reply);
    return status;
}

static int show_invitation(const json_t *answer, FILE *out)
{
    const char *line = qe_plain_text(answer, "invitation");
    if (!line) return -1;
    qe_plain_put(line, out);
    fputs("\n", out);
    return 0;
}

int qe_cli_invite(const struct qe_cli_world *world)
{
    char target[128];
    snprintf(target, sizeof(target), "/v1/invite?expires_s=%" PRIu32 "&uses=%" PRIu32, world->options->expires_s,
        world->options->uses);
    return qe_cli_call(world, &(struct qe_cli_call){"POST", target, 0, show_invitation}, NULL);
}

static int show_joined(const json_t *answer, FILE *out)
{
    const char *id = qe_plain_text(answer, "network_id");
    fputs("Joined network ", out);
    qe_plain_put(id ? id : "-", out);
    fputs("\n", out);
    return 0;
}

static int keep(const char *state, const char *line, struct qe_fault *fault)
{
    struct qe_store *store;
    if (qe_store_open(&store, state, fault) != 0) return -1;
    int result = qe_store_put(store, QE_NETWORK_INVITATION_KEY, qe_span(line, strlen(line)));
    if (result == 0) result = qe_store_start(store);
    if (result == 0) qe_store_flush(store);
    if (result != 0 || qe_store_lost(store))
        result = qe_fault_set(fault, QE_EXIT_STATE, "cannot keep the invitation in %s", state);
    qe_store_close(store);
    return result;
}

static int keep_for_later(const struct qe_cli_world *world, const char *line)
{
    char state[QE_PATH_SIZE], id[QE_NETWORK_ID_SIZE];
    struct qe_fault fault;
    struct qe_network *network = NULL;
    int lock = -1, result = -1;
    if (find_state(world->options, state, &fault) != 0) goto out;
    lock = qe_lock_take(state, &fault);
    if (lock < 0 && fault.exit == QE_EXIT_RUNNING)
        qe_fault_set(&fault, QE_EXIT_RUNNING,
            "a daemon uses the state directory %s, but not the control socket %s; name its socket with --control",
            state, world->control);
    if (lock < 0 || qe_network_open(&network, state, &fault) != 0) goto out;
    if (qe_network_member(network))
        qe_fault_set(&fault, QE_EXIT_FAILED,
            "this node is in network %s already; 'quicether network leave' comes first", qe_network_id(network, id));
    else
        result = keep(state, line, &fault);
out:
    qe_network_close(network);
    if (lock >= 0) close(lock);
    if (result != 0) return complain(world->err, &fault);
    fputs(world->options->json ? "{\"joined\":false}\n"
                               : "No daemon runs: the invitation will be redeemed when it starts\n",
        world->out);
    return QE_EXIT_OK;
}

static bool is_invitation(const char *line)
{
    struct qe_invitation invitation;
    bool whole = qe_invitation_parse(line, &invitation);
    sodium_memzero(&invitation, sizeof(invitation));
    return whole;
}

int qe_cli_join(const struct qe_cli_world *world)
{
    const char *line = world->options->argument;
    char target[4096] = "/v1/join", read[QE_INVITATION_TEXT_SIZE + 2] = "";
    // What stands on the command line everybody on this machine can see.
    if (strcmp(line, "-") == 0) {
        if (fgets(read, sizeof(read), stdin)) read[strcspn(read, "\r\n")] = '\0';
        line = read;
    }
    // Also here, and not by the daemon alone: there may be none yet to say so.
    if (!is_invitation(line) || !qe_cli_add_parameter(target, sizeof(target), "invitation", line)) {
        fprintf(world->err, "quicether: that is no invitation%s\n",
            strncmp(line, "qe1:", 4) == 0 ? ", or not all of it"
                                          : ": one begins with qe1: and is what 'quicether invite' prints");
        return QE_EXIT_USAGE;
    }
    struct qe_client_reply reply;
    struct qe_client_request request = {.socket_path = world->control,
        .method = "POST",
        .target = target,
        .timeout_ms = QE_CLIENT_TIMEOUT_MS,
        .interrupt_fd = -1};
    enum qe_client_outcome outcome = qe_client_call(&request, &reply);
    int status = outcome == QE_CLIENT_UNREACHABLE && reply.absent
                     ? keep_for_later(world, line)
                     : qe_cli_show_reply(world, outcome, &reply, show_joined);
    qe_client_reply_fini(&reply);
    return status;
}
