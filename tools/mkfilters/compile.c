// SPDX-License-Identifier: GPL-2.0-or-later
#include "compile.h"

#include <errno.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sandbox/lists.h"

static int add(scmp_filter_ctx ctx, const struct sandbox_call *call)
{
	struct scmp_arg_cmp cmp = {
		.arg = call->arg,
		.op = SCMP_CMP_EQ,
		.datum_a = call->value,
	};

	/* Else a plain one, which takes an instruction less. */
	if (call->mask != UINT32_MAX)
		cmp = (struct scmp_arg_cmp){ call->arg, SCMP_CMP_MASKED_EQ,
					     call->mask, call->value };

	return seccomp_rule_add_exact_array(ctx, SCMP_ACT_ALLOW, call->nr,
					    call->mask ? 1 : 0, &cmp);
}

static int export(scmp_filter_ctx ctx, struct sock_filter *code, int max)
{
	int fd = memfd_create("filter", MFD_CLOEXEC), rc;
	ssize_t n;

	if (fd < 0)
		return -errno;
	rc = seccomp_export_bpf(ctx, fd);
	if (!rc) {
		n = pread(fd, code, (size_t)max * sizeof(*code), 0);
		rc = n < 0 ? -errno : (int)((size_t)n / sizeof(*code));
		if (rc == max)
			rc = -E2BIG;
	}
	close(fd);
	return rc;
}

/*
 * libseccomp sorts the values that an argument may have, the greatest first.
 * Of those that are compared in a row, and all lead to the same place, the most
 * frequent becomes the first.
 */
static void find_first(struct sock_filter *code, int len, uint32_t value)
{
	const unsigned int equal = BPF_JMP | BPF_JEQ | BPF_K;
	int i, first = -1;

	for (i = 0; i < len; i++) {
		if (code[i].code != equal || code[i].jf)
			first = -1;
		else if (first < 0 || code[first].jt + first != code[i].jt + i)
			first = i;
		if (first >= 0 && code[i].k == value) {
			code[i].k = code[first].k;
			code[first].k = value;
			return;
		}
	}
}

int sandbox_compile(const struct sandbox_call *calls, int without,
		    unsigned int kind, struct sock_filter *code, int max)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int i, len, rc;

	if (!ctx)
		return -ENOMEM;
	rc = seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH,
			      SCMP_ACT_KILL_PROCESS);
	/* The first of a list is to be found first. */
	if (!rc)
		rc = seccomp_syscall_priority(ctx, calls[0].nr, 255);
	for (i = 0; !rc && calls[i].name; i++)
		if (i != without)
			rc = add(ctx, &calls[i]);
	len = rc ? rc : export(ctx, code, max);
	seccomp_release(ctx);
	if (calls[0].mask)
		find_first(code, len, calls[0].value);
	for (i = 0; i < len; i++)
		if (code[i].code == (BPF_RET | BPF_K) &&
		    code[i].k == SECCOMP_RET_TRAP)
			code[i].k |= kind;
	return len;
}
