// SPDX-License-Identifier: GPL-2.0-or-later
/* vireo resize: another size for a disk of a machine that runs. */
#include <errno.h>
#include <jansson.h>

#include "../error.h"
#include "commands.h"
#include "img.h"
#include "remote.h"

int cli_resize(int argc, char **argv, struct error *err)
{
	uint64_t size = 0; /* what the file or device has got meanwhile */
	const char *words[3];
	struct remote *c;
	json_t *args;
	int n, rc;

	n = cli_parse(argc, argv, NULL, NULL, words, 1, 3, err);
	if (n < 0)
		return STATUS_USAGE;
	if (n == 1) {
		error_set(err, EINVAL,
			  "which disk? (vireo inspect %s lists them)",
			  words[0]);
		return STATUS_USAGE;
	}
	if (n == 3 && img_parse_size(words[2], &size, err))
		return STATUS_USAGE;
	if (n == 3 && !size) {
		error_set(err, EINVAL, "a disk cannot have the size 0");
		return STATUS_USAGE;
	}
	rc = remote_open(&c, words[0], REMOTE_LIMIT_MS, err);
	if (rc)
		return cli_status(rc);
	args = json_pack("{s:s,s:I}", "device", words[1], "size",
			 (json_int_t)size);
	if (args)
		rc = remote_execute(c, "block_resize", args, NULL, err);
	else
		rc = error_set(err, EINVAL, "'%.64s' is no name", words[1]);
	remote_close(c);
	return cli_status(rc);
}
