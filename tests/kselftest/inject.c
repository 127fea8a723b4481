// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common.h"
#include "inject.h"

bool inject_set_up(void)
{
	static const char *const settings[][2] = {
		{ "failslab/ignore-gfp-wait", "N" },
		{ "failslab/verbose", "0" },
		{ "fail_page_alloc/ignore-gfp-wait", "N" },
		{ "fail_page_alloc/min-order", "0" },
		{ "fail_page_alloc/verbose", "0" },
	};
	bool ok = true;
	char path[80];
	int fd;

	for (size_t i = 0; i < ARRAY_LEN(settings); i++) {
		snprintf(path, sizeof(path), "/sys/kernel/debug/%s",
			 settings[i][0]);
		fd = open(path, O_WRONLY);
		ok &= write(fd, settings[i][1], 1) == 1;
		close(fd);
	}
	return ok;
}

void inject_arm(int fail, int nth)
{
	char s[16];
	int len = snprintf(s, sizeof(s), "%d", nth);

	if (pwrite(fail, s, len, 0) != len)
		abort();
}

bool inject_disarm(int fail)
{
	char s[16] = "";

	if (pread(fail, s, sizeof(s) - 1, 0) < 1)
		abort();
	inject_arm(fail, 0);
	return !atoi(s);
}
