// SPDX-License-Identifier: GPL-2.0-or-later
/* The filters, and what is said when one refuses a call. */
#include "parts.h"

#include <asm/unistd.h>
#include <errno.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "../error.h"
#include "../status.h"
#include "../terminal.h"
#include "filters.h"
#include "lists.h"

/* As long as the longest filter may be for the kernel, a stack may be not. */
#define MAX_CODE 512

static char *add(char *p, const char *text)
{
	return stpcpy(p, text);
}

static char *add_number(char *p, unsigned long long n, unsigned int base)
{
	char digits[24];
	unsigned int i = sizeof(digits) - 1;

	digits[i] = '\0';
	do
		digits[--i] = "0123456789abcdef"[n % base];
	while (n /= base);
	return add(p, &digits[i]);
}

/* Only calls that every list has, and nothing that takes a lock. */
static void on_refused(int sig, siginfo_t *info, void *context)
{
	static const char *const threads[] = {
		[SANDBOX_MAIN] = "main thread",
		[SANDBOX_VCPU] = "vCPU",
		[SANDBOX_IO] = "I/O thread",
		[SANDBOX_NET] = "network thread",
	};
	const ucontext_t *uc = context;
	unsigned int nr = (unsigned int)info->si_syscall;
	/* Of the refusing filter. */
	unsigned int kind = (unsigned int)info->si_errno;
	char line[128], *p = line;

	p = add(p, "vireo: ");
	p = add(p, kind < SANDBOX_NR_THREADS ? threads[kind] : "a thread");
	p = add(p, ": system call ");
	if (nr < sandbox_nr_call_names && *sandbox_call_names[nr])
		p = add(p, sandbox_call_names[nr]);
	else
		p = add_number(p, nr, 10);
	if (nr == __NR_ioctl) {
		p = add(p, " 0x");
		p = add_number(p, (uint32_t)uc->uc_mcontext.gregs[REG_RSI], 16);
	}
	p = add(p, " refused: see --sandbox in vireo(1)\n");
	if (write(STDERR_FILENO, line, (size_t)(p - line)) < 0)
		p = line; /* nobody hears it */
	terminal_restore();
	_exit(STATUS_SIGNAL + sig);
}

int seccomp_prepare(struct error *err)
{
	struct sigaction sa = { .sa_sigaction = on_refused,
				.sa_flags = SA_SIGINFO };

	sigfillset(&sa.sa_mask);
	if (sigaction(SIGSYS, &sa, NULL))
		return error_sys(err, errno, "cannot handle SIGSYS");
	return 0;
}

int seccomp_load_filter(enum sandbox_thread kind)
{
	const struct sandbox_filter *filter = &sandbox_filters[kind];
	struct sock_filter code[MAX_CODE];
	struct sock_fprog program = { filter->len, code };
	uint32_t pid = (uint32_t)getpid();
	unsigned int i;

	if (filter->len > MAX_CODE)
		return -E2BIG;
	memcpy(code, filter->code, filter->len * sizeof(code[0]));
	for (i = 0; i < filter->len; i++)
		if (code[i].code == (BPF_JMP | BPF_JEQ | BPF_K) &&
		    code[i].k == SANDBOX_OWN_PID)
			code[i].k = pid;
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
		    SECCOMP_FILTER_FLAG_LOG, &program))
		return -errno;
	return 0;
}
