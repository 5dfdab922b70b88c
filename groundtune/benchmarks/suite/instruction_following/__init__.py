"""IFT (ours): does an answer do what the instruction asked for? Checked by programs, and rated by a judge.

`checks` is the table of constraints that a program can verify; `constraints` reads them from a question file;
`benchmark` counts; `rating` is what a judge is asked.
"""
