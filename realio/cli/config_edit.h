// A configuration file as its writer wrote it, with one value changed: comments, order and everything else stay.
#ifndef QE_CLI_CONFIG_EDIT_H
#define QE_CLI_CONFIG_EDIT_H

// `text`, which must be valid TOML, with the key `key` of the table `section` set to `value`, a TOML value on one line.
// Where the key is missing it becomes the last of its table; where the table is, too, the last one of the file. The
// caller looks whether the result is what was meant: of a table that is written inline it is not. malloc'ed; NULL
// without memory.
char *qe_config_edit(const char *text, const char *section, const char *key, const char *value);

#endif
