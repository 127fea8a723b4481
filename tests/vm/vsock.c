// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * usage: vsock connect CID PORT | vsock listen PORT
 *
 * Standard input to the other end, and what that sends to standard output, at
 * once, until both have ended.  Static: for the host and for guests.
 */
#include <linux/vm_sockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void copy(int from, int to)
{
	static char buf[65536];
	ssize_t n, at, done;

	while ((n = read(from, buf, sizeof(buf))) > 0)
		for (at = 0; at < n; at += done) {
			done = write(to, buf + at, (size_t)(n - at));
			if (done <= 0)
				die("write");
		}
	if (n < 0)
		die("read");
}

static unsigned int number(const char *text)
{
	return (unsigned int)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
	struct sockaddr_vm sa = { .svm_family = AF_VSOCK };
	int fd = socket(AF_VSOCK, SOCK_STREAM, 0), status;

	if (fd < 0)
		die("socket");
	if (argc == 4 && !strcmp(argv[1], "connect")) {
		sa.svm_cid = number(argv[2]);
		sa.svm_port = number(argv[3]);
		if (connect(fd, (struct sockaddr *)&sa, sizeof(sa)))
			die("connect");
	} else if (argc == 3 && !strcmp(argv[1], "listen")) {
		sa.svm_cid = VMADDR_CID_ANY;
		sa.svm_port = number(argv[2]);
		if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) ||
		    listen(fd, 1))
			die("listen");
		fd = accept(fd, NULL, NULL);
		if (fd < 0)
			die("accept");
	} else {
		fputs("usage: vsock connect CID PORT | vsock listen PORT\n",
		      stderr);
		return 2;
	}
	if (!fork()) {
		copy(0, fd);
		shutdown(fd, SHUT_WR);
		return 0;
	}
	copy(fd, 1);
	return wait(&status) < 0 || status;
}
