// SPDX-License-Identifier: GPL-2.0-or-later
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <termios.h>

#include "terminal.h"

/*
 * A terminal's mode outlives the process and belongs to nobody in it, and a
 * handler of a fatal signal has no argument through which to find it: this is
 * the one object of the program that has to be static.
 *
 * Written by the main thread; @raw is the last thing set and the first thing
 * cleared, so that a handler finds the rest whole.
 */
static struct {
	volatile sig_atomic_t raw;
	bool at_exit;
	int fd;
	struct termios cooked;
	struct termios mode;
} terminal;

int terminal_raw(int fd)
{
	struct termios *t = &terminal.mode;

	if (terminal.raw)
		return -EBUSY;
	if (tcgetattr(fd, &terminal.cooked) < 0)
		return -ENOTTY;
	if (!terminal.at_exit && atexit(terminal_restore))
		return -ENOMEM;
	terminal.at_exit = true;

	/* Output processing stays on: log lines end in a bare newline. */
	*t = terminal.cooked;
	t->c_iflag &= ~(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR |
			ICRNL | IXON);
	t->c_lflag &= ~(ECHO | ECHONL | ICANON | ISIG | IEXTEN);
	t->c_cflag &= ~(CSIZE | PARENB);
	t->c_cflag |= CS8;
	t->c_cc[VMIN] = 1;
	t->c_cc[VTIME] = 0;
	if (tcsetattr(fd, TCSANOW, t) < 0)
		return -errno;
	terminal.fd = fd;
	terminal.raw = 1;
	return 0;
}

void terminal_restore(void)
{
	int saved = errno;

	if (!terminal.raw)
		return;
	/* Not TCSADRAIN: it would wait for a terminal that is stopped. */
	tcsetattr(terminal.fd, TCSANOW, &terminal.cooked);
	/* Only now: another thread in trouble ends the process. */
	terminal.raw = 0;
	errno = saved;
}

void terminal_resume(void)
{
	int saved = errno;

	if (terminal.raw)
		tcsetattr(terminal.fd, TCSANOW, &terminal.mode);
	errno = saved;
}
