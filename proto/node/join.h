// Invitations at both ends: invite.c makes and honours them, join.c redeems one.
#ifndef QE_NODE_JOIN_H
#define QE_NODE_JOIN_H

#include "node/cplane_internal.h"

// Invitations that have not ended, and how often one may be redeemed.
#define INVITES_MAX     64
#define INVITE_USES_MAX 1000

void cplane_invite(struct qe_cplane *c, const struct qe_command *command);
bool cplane_invites_load(struct qe_cplane *c, const char *key, struct qe_span value);
void cplane_invites_fini(struct qe_cplane *c);
void cplane_on_join(struct qe_cplane *c, struct cplane_path *path, struct qe_span body);
// Hands the secret over to those who may have it.
void cplane_welcome(struct qe_cplane *c);

void cplane_join(struct qe_cplane *c, const struct qe_command *command);
bool cplane_join_load(struct qe_cplane *c, const char *key, struct qe_span value);
void cplane_join_on_up(struct qe_cplane *c);
bool cplane_join_on_result(struct qe_cplane *c, const struct qe_result *result);
void cplane_join_on_identified(struct qe_cplane *c, struct cplane_path *path);
void cplane_on_welcome(struct qe_cplane *c, struct cplane_path *path, struct qe_span body);
void cplane_on_decline(struct qe_cplane *c, struct cplane_path *path, struct qe_span body);

#endif
