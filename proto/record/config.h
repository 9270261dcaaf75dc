// A node's configuration as a recording keeps it: all that qe_node_new looks at.
#ifndef QE_RECORD_CONFIG_H
#define QE_RECORD_CONFIG_H

#include "config/config.h"
#include "record/body.h"

void qe_record_put_config(struct qe_record_body *body, const struct qe_config *config);
// A configuration that a node may be made with, owning its lists through `mem`; the cursor fails where it is none. Give
// it to qe_config_fini in either case.
void qe_record_get_config(struct qe_reader *r, struct qe_config *config, const struct qe_mem *mem);

#endif
