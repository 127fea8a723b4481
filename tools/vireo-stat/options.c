// SPDX-License-Identifier: GPL-2.0-or-later
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

/* Those without a short form. */
enum { OPT_VM = 256, OPT_ROOT };

static const char short_options[] = ":1i:n:jcphV";
static const struct option long_options[] = {
	{ "once", no_argument, NULL, '1' },
	{ "interval", required_argument, NULL, 'i' },
	{ "count", required_argument, NULL, 'n' },
	{ "vm", required_argument, NULL, OPT_VM },
	{ "json", no_argument, NULL, 'j' },
	{ "csv", no_argument, NULL, 'c' },
	{ "prometheus", no_argument, NULL, 'p' },
	{ "root", required_argument, NULL, OPT_ROOT },
	{ "help", no_argument, NULL, 'h' },
	{ "version", no_argument, NULL, 'V' },
	{ NULL, 0, NULL, 0 }
};

static const char help[] =
	"usage: vireo-stat [OPTION]...\n"
	"\n"
	"Shows what KVM and vireo.ko count of the virtual machines of this host,\n"
	"live on a terminal, or:\n"
	"\n"
	"  -1, --once        once, as tables: totals, or with -i rates over that time\n"
	"  -j, --json        one JSON object a sample\n"
	"  -c, --csv         a header, then a line for each number of a sample\n"
	"  -p, --prometheus  the text format of Prometheus; once, unless -n is given\n"
	"\n"
	"  -i, --interval S  seconds between samples, from 0.1 (default 1)\n"
	"  -n, --count N     end after N samples\n"
	"      --vm VM       only the machine of this name, process or id\n"
	"      --root DIR    read DIR instead of /sys/kernel/debug, and DIR/proc\n"
	"  -h, --help        this text; in the live view h shows the keys\n"
	"  -V, --version\n";

static int parse_interval(struct options *o, const char *text)
{
	char *end;

	o->interval = strtod(text, &end);
	o->has_interval = true;
	/* Not a number is not in the range. */
	return end != text && !*end && o->interval >= MIN_INTERVAL &&
			       o->interval <= MAX_INTERVAL ?
		       0 :
		       -EINVAL;
}

static int parse_count(struct options *o, const char *text)
{
	char *end;

	errno = 0;
	o->count = strtoul(text, &end, 10);
	return *text >= '0' && *text <= '9' && !*end && !errno && o->count ?
		       0 :
		       -EINVAL;
}

static int parse_output(struct options *o, enum output output, char *why,
			size_t room)
{
	if (o->output != OUTPUT_VIEW && o->output != output) {
		snprintf(why, room,
			 "--json, --csv and --prometheus exclude each other");
		return -EINVAL;
	}
	o->output = output;
	return 0;
}

static int parse_one(struct options *o, int option, char *why, size_t room)
{
	int ret;

	switch (option) {
	case '1':
		o->once = true;
		return 0;
	case 'i':
		ret = parse_interval(o, optarg);
		if (ret)
			snprintf(why, room,
				 "--interval %s: must be seconds from 0.1 to "
				 "86400",
				 optarg);
		return ret;
	case 'n':
		ret = parse_count(o, optarg);
		if (ret)
			snprintf(why, room,
				 "--count %s: must be a number of samples",
				 optarg);
		return ret;
	case 'j':
		return parse_output(o, OUTPUT_JSON, why, room);
	case 'c':
		return parse_output(o, OUTPUT_CSV, why, room);
	case 'p':
		return parse_output(o, OUTPUT_PROMETHEUS, why, room);
	case OPT_VM:
		o->vm = optarg;
		return 0;
	case OPT_ROOT:
		o->root = optarg;
		return 0;
	case 'h':
		fputs(help, stdout);
		return 1;
	case 'V':
		puts("vireo-stat " VIREO_VERSION);
		return 1;
	default:
		return -EINVAL;
	}
}

/* What follows from what was given. */
static int complete(struct options *o, char *why, size_t room)
{
	if (o->once && o->count > 1) {
		snprintf(why, room, "--once and --count %lu exclude each other",
			 o->count);
		return -EINVAL;
	}
	if (o->output == OUTPUT_PROMETHEUS && !o->count)
		o->once = true;
	if (o->once) {
		o->count = 1;
		if (o->output == OUTPUT_VIEW)
			o->output = OUTPUT_TABLE;
	}
	return 0;
}

int options_parse(struct options *o, int argc, char **argv, char *why,
		  size_t room)
{
	int option, ret;

	memset(o, 0, sizeof(*o));
	o->interval = 1;
	opterr = 0;
	for (;;) {
		const char *word = optind < argc ? argv[optind] : "";

		option = getopt_long(argc, argv, short_options, long_options,
				     NULL);
		if (option == -1)
			break;
		/* getopt does not say which long option it was. */
		snprintf(why, room,
			 option == ':' ? "%s wants a value" :
					 "%s is not an option (see --help)",
			 word);
		ret = option == ':' ? -EINVAL : parse_one(o, option, why, room);
		if (ret)
			return ret;
	}
	if (optind < argc) {
		snprintf(why, room, "'%s' is not wanted (see --help)",
			 argv[optind]);
		return -EINVAL;
	}
	return complete(o, why, room);
}
