#include "look/keylog.h"

#include "base/list.h"

static void see(struct sim_sink *sink, uint64_t now_ns, const struct sim_trace_item *item)
{
    struct sim_keylog *keylog = qe_container(sink, struct sim_keylog, sink);
    (void)now_ns;
    if (!sim_secrets_add(&keylog->secrets, item->text)) return;
    sim_out_text(&keylog->out, item->text);
    sim_out_char(&keylog->out, '\n');
}

void sim_keylog_init(struct sim_keylog *keylog, FILE *file)
{
    keylog->sink = (struct sim_sink){.wants = SIM_TRACE_BIT(SIM_TRACE_KEYLOG), .see = see};
    keylog->secrets = (struct sim_secrets){0};
    sim_out_init(&keylog->out, file);
}

int sim_keylog_fini(struct sim_keylog *keylog)
{
    sim_secrets_fini(&keylog->secrets);
    return sim_out_flush(&keylog->out);
}
