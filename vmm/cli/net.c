// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vireo net: what root has to do on the host for a machine's TAP interface.  It
 * is only printed: a host's network is nobody's to change unasked.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../error.h"
#include "../options_table.h"
#include "commands.h"

#define NAME_MAX_LEN 15

struct net_options {
	unsigned int queues;
};

static const struct opt options[] = { { .name = "queues",
					.kind = OPT_UINT,
					.min = 1,
					.max = 16,
					.offset = offsetof(struct net_options,
							   queues) },
				      { 0 } };

/* As the kernel takes it, and a shell. */
static int check_name(const char *name, struct error *err)
{
	if (strlen(name) > NAME_MAX_LEN || !*name || *name == '-' ||
	    name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-")])
		return error_set(err, EINVAL,
				 "%.32s is no name of an interface (up to %d "
				 "letters and digits)",
				 name, NAME_MAX_LEN);
	return 0;
}

int cli_net(int argc, char **argv, struct error *err)
{
	const char *words[2] = { NULL, NULL }, *tap = "vireo0", *bridge = "br0";
	struct net_options o = { .queues = 1 };
	int n = cli_parse(argc, argv, options, &o, words, 0, 2, err);

	if (n < 0)
		return STATUS_USAGE;
	tap = n > 0 ? words[0] : tap;
	bridge = n > 1 ? words[1] : bridge;
	if (check_name(tap, err) || check_name(bridge, err))
		return STATUS_USAGE;
	printf("# To be run as root; vireo net changes nothing itself, and all "
	       "of this is gone\n# with the next boot.\n\n"
	       "# The bridge, unless there is one, and with the host's card in "
	       "it to reach others\n# than the host: the card's addresses are "
	       "the bridge's then.\n"
	       "ip link add %s type bridge\n"
	       "ip link set %s up\n"
	       "# ip link set CARD master %s\n\n",
	       bridge, bridge, bridge);
	printf("# The machine's interface, for a user who need not be root.\n"
	       "ip tuntap add %s mode tap user %u%s\n"
	       "ip link set %s master %s up\n\n",
	       tap, (unsigned int)getuid(), o.queues > 1 ? " multi_queue" : "",
	       tap, bridge);
	printf("# And that user then:\n# vireo run --net tap,name=%s", tap);
	if (o.queues > 1)
		printf(",queues=%u", o.queues);
	puts(" ...");
	return STATUS_OFF;
}
